package node

import (
	"fmt"

	"fleet/identity"
)

// AdoptRoot makes a root the one that this host goes by from its next start, although the root before it may not have signed it: for a
// fleet whose root keys are lost. Whoever calls it is root on this host, and says so. The root must be of the host's own fleet, and no
// older than the one that it goes by; records says it, as Authority.Raw does.
func (d *DataDir) AdoptRoot(anchor identity.Anchor, records []byte) error {
	m, err := d.Load()
	if err != nil {
		return err
	}
	next, err := identity.OpenRoot(anchor, records)
	if err != nil {
		return err
	}
	switch was := m.Authority.Version(); {
	case !m.Root.Same(anchor):
		return fmt.Errorf("the root is of the fleet %s, and this host is in %s", anchor.ID(), m.Root.ID())
	case next.Version() < was:
		return fmt.Errorf("the root is version %d, and this host goes by version %d", next.Version(), was)
	}
	m.Root, m.Authority = next.Anchor(), next
	return d.saveNode(m)
}
