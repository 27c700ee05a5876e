package node

import (
	"crypto/rand"
	"time"

	"fleet/identity"
	"fleet/node/journal"
)

// Found makes the first host of a fleet: a peer with a fresh key, certified by issuer, and a fresh gossip key. roster is
// the signed document. The host can run as a node afterwards, and admit others.
func Found(dir *DataDir, root identity.PublicKey[identity.Root], issuer identity.Issuer, name string, roster []byte, now time.Time) (Membership, error) {
	m := Membership{Root: root, Key: identity.NewKey[identity.Node](), Seal: identity.NewSealKey(), Issuing: issuer.Key, GossipKeys: [][]byte{make([]byte, 32)}, Admitted: now}
	rand.Read(m.GossipKeys[0])
	var err error
	if m.Chain, err = issuer.Issue(identity.NodeIdentity{Key: m.Key.Public(), Seal: m.Seal.Public(), Name: name, Role: identity.Peer}, now); err != nil {
		return m, err
	}
	if err := journal.Create(dir.path, now); err != nil {
		return m, err
	}
	return m, dir.Save(m, [][]byte{roster})
}
