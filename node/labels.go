package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
)

// A host's labels are its token's until an admin gives it others (fleet node label). The newest that came are on disk, signed, and
// shown in each reply; whether they count is for the roster, each time.

// shownLabels is what an admin said last of this host's labels.
type shownLabels struct {
	identity.Labels
	signed []byte
}

// loadLabels reads what is on disk. Without a file they are the token's.
func (n *Node) loadLabels() error {
	signed, err := os.ReadFile(n.config.Dir.file(labelsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := identity.OpenLabels(n.me.Root, signed)
	if err != nil {
		return fmt.Errorf("%s: %w", n.config.Dir.file(labelsFile), err)
	}
	n.labels.Store(&shownLabels{l, signed})
	return nil
}

// identity is who this node is, with the labels that count now.
func (n *Node) identity() identity.NodeIdentity {
	self := n.self.Load().NodeIdentity
	if l, roster := n.labels.Load(), n.roster.Load(); l != nil && roster != nil {
		return roster.Label(self, l.Labels)
	}
	return self
}

// credentials are what this node shows of itself.
func (n *Node) credentials() identity.Credentials {
	c := *n.creds.Load()
	if l := n.labels.Load(); l != nil {
		c.Labels = l.signed
	}
	return c
}

// takeLabels puts other labels into force on this host, which an admin signed. The policy must let that admin label it as it is, which
// is decided where the job is judged, and as it will be. changed is false where they are in force already.
func (n *Node) takeLabels(ctx context.Context, signed []byte) (labels map[string]string, changed bool, err error) {
	l, err := identity.OpenLabels(n.me.Root, signed)
	if err != nil {
		return nil, false, err
	}
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	roster, before := *n.roster.Load(), n.identity()
	admin, ok := roster.Admin(l.Admin.ID())
	switch {
	case !ok:
		return nil, false, fmt.Errorf("no admin signed these labels, but the key %s", l.Admin.ID())
	case l.Node != before.ID:
		return nil, false, fmt.Errorf("these labels are for another host, %s", l.Node)
	}
	if last := n.labels.Load(); last != nil && last.Record == l.Record {
		return l.Labels, false, nil
	} else if last != nil && l.Version <= last.Version {
		return nil, false, errors.New("this host has newer labels already; look at them and change them again: fleet inventory " + before.Name)
	}
	after := roster.Label(before, l)
	if err := n.gate.MayLabel(ctx, admin, before.Labels, after.Labels); err != nil {
		return nil, false, err
	}
	if err := atomicfile.Write(n.config.Dir.file(labelsFile), signed, 0o644); err != nil {
		return nil, false, fmt.Errorf("keep the labels: %w", err)
	}
	n.labels.Store(&shownLabels{l, signed})
	n.log.Info("labels in force", logkey.Signer, admin.Name, logkey.Labels, after.Labels)
	return after.Labels, true, nil
}
