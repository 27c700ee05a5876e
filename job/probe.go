package job

import (
	"fmt"

	"fleet/identity"
	"fleet/internal/wire"
)

// Probe asks a broker's node, on ProbeSubject, whether these hosts answer it. The same question to one host itself
// (NodeProbeSubject) has no layout: it is the id of the admin who asks, and the answer, on ProbedSubject, is empty. All of
// it is unsigned: it says how long to wait for a host, and never what became of a job there.
type Probe struct {
	Nodes []identity.ID `cbor:"1,keyasint"` // at most MaxProbe
}

// Probed is the answer. A host that the node cannot ask, since it does not gossip, is in neither list.
type Probed struct {
	Answered []identity.ID `cbor:"1,keyasint,omitempty"`
	Silent   []identity.ID `cbor:"2,keyasint,omitempty"`
}

// Encode returns what goes on the wire. More hosts than MaxProbe are left out.
func (p Probe) Encode() ([]byte, error) {
	p.Nodes = p.Nodes[:min(len(p.Nodes), MaxProbe)]
	return wire.Marshal(p)
}

// DecodeProbe reads what Encode wrote, strictly.
func DecodeProbe(raw []byte) (Probe, error) {
	var p Probe
	if err := decodeProbe(raw, &p); err != nil {
		return Probe{}, err
	}
	return p, checkProbed(p.Nodes)
}

// Encode returns what goes on the wire.
func (p Probed) Encode() ([]byte, error) { return wire.Marshal(p) }

// DecodeProbed reads what Encode wrote, strictly.
func DecodeProbed(raw []byte) (Probed, error) {
	var p Probed
	if err := decodeProbe(raw, &p); err != nil {
		return Probed{}, err
	}
	return p, checkProbed(p.Answered, p.Silent)
}

func decodeProbe(raw []byte, to any) error {
	if len(raw) > maxProbeBytes {
		return fmt.Errorf("a probe of %d bytes, at most %d are allowed", len(raw), maxProbeBytes)
	}
	if err := wire.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("a probe: %w", err)
	}
	return nil
}

func checkProbed(lists ...[]identity.ID) error {
	n := 0
	for _, list := range lists {
		for _, id := range list {
			if !id.Valid() {
				return fmt.Errorf("a probe names %q, which is no node id", id)
			}
		}
		n += len(list)
	}
	if n > MaxProbe {
		return fmt.Errorf("a probe of %d hosts, at most %d are possible", n, MaxProbe)
	}
	return nil
}
