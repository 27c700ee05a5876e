package job

import (
	"fmt"
	"net/netip"

	"fleet/internal/wire"
)

// Mesh is what a node is told that does not gossip: a broker's answer on MeshSubject, and the news on MeshNewSubject. It is
// hearsay, as gossip is: where it connects to, that one's certificate decides, and documents are verified when they are fetched.
type Mesh struct {
	Brokers []string `cbor:"1,keyasint"` // host:port of those that are alive
	Digest  []byte   `cbor:"2,keyasint"` // of the documents that the teller has, as gossip exchanges it
}

// Encode returns what goes on the wire. More brokers than MaxBrokers are left out.
func (m Mesh) Encode() ([]byte, error) {
	m.Brokers = m.Brokers[:min(len(m.Brokers), MaxBrokers)]
	return wire.Marshal(m)
}

// DecodeMesh reads what Encode wrote, strictly. The digest is for others to judge.
func DecodeMesh(raw []byte) (Mesh, error) {
	var m Mesh
	if len(raw) > MaxMesh {
		return m, fmt.Errorf("news of the mesh in %d bytes, at most %d are allowed", len(raw), MaxMesh)
	}
	if err := wire.Unmarshal(raw, &m); err != nil {
		return Mesh{}, fmt.Errorf("news of the mesh: %w", err)
	}
	if len(m.Brokers) > MaxBrokers {
		return Mesh{}, fmt.Errorf("news of the mesh name %d brokers, at most %d are possible", len(m.Brokers), MaxBrokers)
	}
	for _, b := range m.Brokers {
		if a, err := netip.ParseAddrPort(b); err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
			return Mesh{}, fmt.Errorf("news of the mesh name the broker %q, which is no address with a port", b)
		}
	}
	return m, nil
}
