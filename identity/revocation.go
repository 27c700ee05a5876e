package identity

import (
	"fmt"
	"time"

	"fleet/internal/wire"
)

// RevocationKind is the kind of documents that shut out one key each; their name is the key's id.
const RevocationKind = "revocation"

// What a revoked key is.
const (
	RevokedNode  = "node"
	RevokedToken = "token"
	RevokedAdmin = "admin"
)

// Revocation says that a key counts no more. Each is a document of its own, signed by the root, so that none depends on
// which version of the roster counts: they only grow. There is no way back but a new key. A revocation ends when what it
// shuts out could not be used any more anyway.
type Revocation struct {
	What string `cbor:"1,keyasint"`
	// Key is an admin's: what he signed while he was one stays genuine, and can be told from forgeries.
	Key PublicKey[Admin] `cbor:"2,keyasint,omitzero"`
	// Hosts says of a token that the hosts which came with it are shut out too.
	Hosts bool `cbor:"3,keyasint,omitempty"`

	ID     ID        `cbor:"-"` // of the key; the document's name
	By     string    `cbor:"-"`
	Issued time.Time `cbor:"-"`
	Until  time.Time `cbor:"-"` // zero: for ever
}

// RevokeNode shuts out a node. It lasts so long that no part of a fleet can still be working that has not heard of it and goes
// on renewing the node's certificate.
func RevokeNode(id ID, now time.Time) Revocation {
	return Revocation{What: RevokedNode, ID: id, Until: now.Add(revokedNodeLife)}
}

// RevokeToken shuts out a token. expires is when it would have ended; zero if that is not known.
func RevokeToken(id ID, expires time.Time) Revocation {
	return Revocation{What: RevokedToken, ID: id, Until: expires}
}

// RevokeTokenHosts shuts out a token and every host that came with it, now or later, as long as RevokeNode does a node.
func RevokeTokenHosts(id ID, now time.Time) Revocation {
	return Revocation{What: RevokedToken, ID: id, Hosts: true, Until: now.Add(revokedNodeLife)}
}

// RevokeAdmin shuts out an admin's key, for ever.
func RevokeAdmin(key PublicKey[Admin]) Revocation {
	return Revocation{What: RevokedAdmin, ID: key.ID(), Key: key}
}

// SignRevocation makes the document.
func SignRevocation(root PrivateKey[Root], r Revocation, now time.Time) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	d := Document{Kind: RevocationKind, Name: string(r.ID), Version: 1, By: r.By}
	if !r.Until.IsZero() {
		d.Until = r.Until.Add(time.Second - 1).Truncate(time.Second)
	}
	return signDocument(root, d, r, now)
}

// OpenRevocation verifies a revocation with the pinned root key.
func OpenRevocation(root PublicKey[Root], raw []byte) (Revocation, error) {
	var r Revocation
	doc, err := openDocument(root, nil, raw)
	if err != nil {
		return r, fmt.Errorf("revocation: %w", err)
	}
	if doc.Kind != RevocationKind {
		return r, fmt.Errorf("document is a %s/%s, not a revocation", doc.Kind, doc.Name)
	}
	if err := wire.Unmarshal(doc.Body, &r); err != nil {
		return Revocation{}, fmt.Errorf("revocation: %w", err)
	}
	r.ID, r.By, r.Issued, r.Until = ID(doc.Name), doc.By, doc.Issued, doc.Until
	return r, r.check()
}

// OpenRevocations is OpenRevocation of each.
func OpenRevocations(root PublicKey[Root], raws [][]byte) ([]Revocation, error) {
	list := make([]Revocation, 0, len(raws))
	for _, raw := range raws {
		r, err := OpenRevocation(root, raw)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (r Revocation) check() error {
	admin := r.What == RevokedAdmin
	switch {
	case !r.ID.Valid():
		return fmt.Errorf("revocation: %q is not the id of a key", r.ID)
	case !admin && r.What != RevokedNode && r.What != RevokedToken:
		return fmt.Errorf("revocation: %q is none of node, token, admin", r.What)
	case r.Hosts && r.What != RevokedToken:
		return fmt.Errorf("revocation: a %s has no hosts", r.What)
	case admin != !r.Key.IsZero() || admin && r.Key.ID() != r.ID:
		return fmt.Errorf("revocation: the key of %s %s is missing or another one", r.What, r.ID)
	}
	return nil
}
