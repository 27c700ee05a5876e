package node

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"fleet/identity"
	"fleet/node/audit"
	"fleet/node/journal"
)

// Found makes the first host of a fleet: with a fresh key, that token's peer, certified by issuer, and a fresh gossip key.
// roster is the document that the root signed. The host can run as a node afterwards, and admit others. Its audit log begins with who let it in.
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
	if err := dir.Save(m, [][]byte{roster}); err != nil {
		return m, err
	}
	return m, explain(dir, m, roster)
}

// explain writes down that the first host of a fleet was let in by itself.
func explain(dir *DataDir, m Membership, roster []byte) error {
	r, err := identity.OpenRoster(m.Authority, roster)
	if err != nil {
		return err
	}
	certificate, err := identity.OpenChain(m.Root, m.Chain, m.Admitted)
	if err != nil {
		return err
	}
	who, err := r.Admit(certificate)
	if err != nil {
		return err
	}
	log, err := audit.Open(dir.file(auditDir), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	by := string(who.Admin)
	if a, ok := r.Admin(who.Admin); ok {
		by = a.Name
	}
	return errors.Join(log.AddDurable(admitted(who.NodeIdentity, by)), log.Close())
}
