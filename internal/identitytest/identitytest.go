// Package identitytest makes hosts for tests that need identities and no nodes: with a token, a statement and a certificate,
// as they come by an admission.
package identitytest

import (
	"testing"
	"time"

	"fleet/identity"
)

// Fleet is what lets hosts in.
type Fleet struct {
	Root   identity.Anchor
	Admin  identity.Signer
	Issuer identity.Issuer
}

// Token makes a token with this record, made at the given time. It is a member's if r does not say, and holds for an hour.
func (f Fleet) Token(t testing.TB, r identity.Record, at time.Time) identity.Token {
	t.Helper()
	if r.Role == "" {
		r.Role = identity.Member
	}
	if r.Expires.IsZero() {
		r.Created, r.Expires = at, at.Add(time.Hour)
	}
	token, err := identity.NewToken(f.Root, f.Admin, r, []string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Host makes a host of that name with a token of its own.
func (f Fleet) Host(t testing.TB, name string, r identity.Record, at time.Time) identity.Credentials {
	t.Helper()
	key := identity.NewKey[identity.Node]()
	statement := Statement(t, f.Token(t, r, at), key, name, at)
	chain, err := f.Issuer.Issue(statement, at)
	if err != nil {
		t.Fatal(err)
	}
	return identity.Credentials{Key: key, Chain: chain, Statement: statement}
}

// Statement is that of the host with this key, and a sealing key that nobody keeps.
func Statement(t testing.TB, token identity.Token, key identity.PrivateKey[identity.Node], name string, at time.Time) []byte {
	t.Helper()
	statement, err := identity.NewStatement(token, key.Public(), identity.NewSealKey().Public(), name, at)
	if err != nil {
		t.Fatal(err)
	}
	return statement
}

// Self is who the holder of these credentials is.
func Self(t testing.TB, root identity.Anchor, c identity.Credentials, at time.Time) identity.Certified {
	t.Helper()
	certificate, err := identity.OpenChain(root, c.Chain, at)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Own()
}

// Root is that of a new fleet, with one key.
func Root() identity.Quorum { return RootOf(1, identity.NewKey[identity.Root]()) }

// RootOf is that of a new fleet with these keys, so many of which must sign.
func RootOf(threshold int, keys ...identity.PrivateKey[identity.Root]) (root identity.Quorum) {
	var public []identity.RootKey
	for _, k := range keys {
		root.Holders = append(root.Holders, identity.FileRoot(k))
		public = append(public, identity.RootKey{Key: k.Public()})
	}
	var err error
	if root.Authority, err = identity.NewRoot(threshold, public, time.Now()); err != nil {
		panic(err) // the caller's mistake
	}
	return root
}
