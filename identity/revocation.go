package identity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/internal/wire"
)

// RevocationKind is the kind of the documents that shut out keys. Each has a list of them, and its name is made from what it
// says: so no document can take the place of another one, and revocations only grow.
const RevocationKind = "revocation"

// What a revoked key is.
const (
	RevokedNode  = "node"
	RevokedToken = "token"
	RevokedAdmin = "admin"
)

// Revocation says that a key counts no more. The root signs it, in a document of its own or together with others: see
// SignRevocations. There is no way back but a new key. A revocation ends when what it shuts out could not be used any more
// anyway.
type Revocation struct {
	ID   ID     // of the key
	What string // it is
	// Key is an admin's: what he signed while he was one stays genuine, and can be told from forgeries.
	Key PublicKey[Admin]
	// Hosts says of a token that the hosts which came with it are shut out too.
	Hosts bool
	Until time.Time // zero: for ever

	// Document is the one that it was read from.
	Document Hash
}

// Over reports whether the revocation has ended.
func (r Revocation) Over(now time.Time) bool { return !r.Until.IsZero() && !now.Before(r.Until) }

// joined is the stronger of two revocations of one key: what either shuts out, for as long as either does.
func (r Revocation) joined(o Revocation) Revocation {
	if o.Hosts && !r.Hosts {
		r, o = o, r
	}
	if !r.Until.IsZero() && (o.Until.IsZero() || o.Until.After(r.Until)) {
		r.Until = o.Until
	}
	return r
}

// revocations is the body of a document, by ascending id.
type revocations struct {
	List []revoked `cbor:"1,keyasint"`
}

type revoked struct {
	ID    []byte           `cbor:"1,keyasint"` // 16 bytes, which the id is in letters
	What  string           `cbor:"2,keyasint"`
	Key   PublicKey[Admin] `cbor:"3,keyasint,omitzero"`
	Hosts bool             `cbor:"4,keyasint,omitempty"`
	Until time.Time        `cbor:"5,keyasint,omitzero"`
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

// SignRevocations makes a document of revocations, made by the admin of that name. It ends with the last of them. Two of one
// key become one.
func SignRevocations(root Quorum, by string, now time.Time, list ...Revocation) ([]byte, error) {
	body, err := ProposeRevocations(by, now, list...)
	if err != nil {
		return nil, err
	}
	return root.Sign(body)
}

// ProposeRevocations makes what the root's keys sign of a document of revocations, see Proposal.
func ProposeRevocations(by string, now time.Time, list ...Revocation) ([]byte, error) {
	all := map[ID]Revocation{}
	for _, r := range list {
		if !r.Until.IsZero() {
			r.Until = r.Until.Add(time.Second - 1).Truncate(time.Second)
		}
		if old, twice := all[r.ID]; twice {
			r = r.joined(old)
		}
		all[r.ID] = r
	}
	var body revocations
	for _, id := range slices.Sorted(maps.Keys(all)) {
		r := all[id]
		if err := r.check(); err != nil {
			return nil, err
		}
		raw, err := idEncoding.DecodeString(strings.ToUpper(string(id)))
		if err != nil {
			return nil, err
		}
		body.List = append(body.List, revoked{raw, r.What, r.Key, r.Hosts, r.Until})
	}
	raw, err := wire.Marshal(body)
	if err != nil {
		return nil, err
	}
	d := Document{Kind: RevocationKind, Name: revocationsName(raw), Version: 1, By: by, Until: lastOf(slices.Collect(maps.Values(all)))}
	return d.toSign(body, now)
}

// revocationsName is the name of the document with this body.
func revocationsName(body []byte) string {
	sum := HashOf(body)
	return strings.ToLower(idEncoding.EncodeToString(sum[:16]))
}

// lastOf is when the last of these ends: never where one never does.
func lastOf(list []Revocation) (last time.Time) {
	for _, r := range list {
		if r.Until.IsZero() {
			return time.Time{}
		}
		if r.Until.After(last) {
			last = r.Until
		}
	}
	return last
}

// OpenRevocations verifies documents of revocations with the root's keys. It returns all that they say.
func OpenRevocations(root Authority, raws ...[]byte) (all []Revocation, err error) {
	for _, raw := range raws {
		list, err := openRevocations(root, raw)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func openRevocations(root Authority, raw []byte) ([]Revocation, error) {
	doc, err := openDocument(root, nil, raw)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	return revocationsIn(doc, HashOf(raw))
}

// revocationsIn reads the revocations in a document with this hash.
func revocationsIn(doc Document, hash Hash) ([]Revocation, error) {
	if doc.Kind != RevocationKind {
		return nil, fmt.Errorf("document is a %s/%s, not a revocation", doc.Kind, doc.Name)
	}
	var body revocations
	if err := wire.Unmarshal(doc.Body, &body); err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	list := make([]Revocation, 0, len(body.List))
	for i, e := range body.List {
		r := Revocation{ID: ID(strings.ToLower(idEncoding.EncodeToString(e.ID))), What: e.What, Key: e.Key, Hosts: e.Hosts, Until: e.Until, Document: hash}
		if err := r.check(); err != nil {
			return nil, err
		}
		if i > 0 && r.ID <= list[i-1].ID {
			return nil, fmt.Errorf("revocation: the ids do not ascend at %s", r.ID)
		}
		list = append(list, r)
	}
	if len(list) == 0 || doc.Version != 1 || doc.Name != revocationsName(doc.Body) || !doc.Until.Equal(lastOf(list)) {
		return nil, fmt.Errorf("the document %s/%s does not have the name, version or end that its revocations give it", doc.Kind, doc.Name)
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
