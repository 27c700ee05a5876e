package node

import (
	"crypto/rand"
	"time"

	"fleet/identity"
	"fleet/node/journal"
)

// Found makes the first host of a fleet: with a fresh key, that token's peer, certified by issuer, and a fresh gossip key.
// roster is the document that the root signed. The host can run as a node afterwards, and admit others.
func Found(dir *DataDir, token identity.Token, issuer identity.Issuer, name string, root identity.Authority, roster []byte, now time.Time) (Membership, error) {
	m := Membership{Root: root.Anchor(), Authority: root, Key: identity.NewKey[identity.Node](), Seal: identity.NewSealKey(), Issuing: issuer.Key, GossipKeys: [][]byte{make([]byte, 32)}, Admitted: now}
	rand.Read(m.GossipKeys[0])
	statement, err := identity.NewStatement(token, m.Key.Public(), m.Seal.Public(), name, now)
	if err != nil {
		return m, err
	}
	if m.Chain, err = issuer.Issue(statement, now); err != nil {
		return m, err
	}
	if err := journal.Create(dir.path, now); err != nil {
		return m, err
	}
	return m, dir.Save(m, [][]byte{roster})
}
