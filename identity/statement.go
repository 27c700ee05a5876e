package identity

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/internal/wire"
)

// NodeIdentity is who a host is, for as long as it has its key: what its statement says, once a roster knows the admin who
// signed its token.
type NodeIdentity struct {
	Fleet    FleetID
	ID       ID     // of Key
	Name     string // the host's name, unique among the living
	Role     Role
	Labels   map[string]string
	Labelled Labelled // by whom, where not by the token
	Key      PublicKey[Node]
	Seal     []byte // public sealing key: what is sealed to it only this node can open
	Token    ID     // that it came with
	Record   Hash   // of that token's signed record
	Admin    ID     // whose key signed the record
	Made     time.Time
	Evidence map[string][]byte // what else proves who it is, by kind
}

// statement is what a host says of itself when it joins, signed by its token's key. The record in it is signed by an
// admin, and says the rest.
//
// The host's own key does not sign it: whoever shows a statement signs with that key in the same breath, be it a reply, a
// request or a TLS handshake, and a statement about somebody else's key is of no use to anybody.
type statement struct {
	Record   []byte            `cbor:"1,keyasint"` // signed, as the token has it
	Key      PublicKey[Node]   `cbor:"2,keyasint"`
	Name     string            `cbor:"3,keyasint"`
	Seal     []byte            `cbor:"4,keyasint"`
	Made     time.Time         `cbor:"5,keyasint"` // by the host's clock
	Evidence map[string][]byte `cbor:"6,keyasint,omitempty"`
}

// NewStatement makes the statement of the host with these keys and this name that joins with t.
func NewStatement(t Token, key PublicKey[Node], seal []byte, name string, now time.Time) ([]byte, error) {
	s := statement{Record: t.Signed, Key: key, Name: name, Seal: seal, Made: now.Truncate(time.Second)}
	if err := s.check(); err != nil {
		return nil, err
	}
	raw, err := wire.Marshal(s)
	if err != nil {
		return nil, err
	}
	signed := t.Secret.Sign(StatementContext, raw)
	if len(signed) > maxStatement {
		return nil, fmt.Errorf("the host's statement has %d bytes, at most %d are possible: the token has too many labels", len(signed), maxStatement)
	}
	return signed, nil
}

// Claim is a statement whose signatures hold, which says nothing yet: anybody can make a key and a token. Roster.Identify
// says whether an admin's key signed the token.
type Claim struct {
	node NodeIdentity
	by   PublicKey[Admin] // that signed the token's record
}

// Key is the host's: what it signs, whoever it is.
func (c Claim) Key() PublicKey[Node] { return c.node.Key }

// OpenStatement verifies the token's signature over a statement, and the signature over the token's record by the key that
// it names as its admin's.
func OpenStatement(root Anchor, raw []byte) (Claim, error) {
	s, err := decodeStatement(raw)
	if err != nil {
		return Claim{}, err
	}
	record, err := openRecord(root, s.Record)
	if err != nil {
		return Claim{}, err
	}
	return s.claim(record, raw)
}

func decodeStatement(raw []byte) (statement, error) {
	var s statement
	if len(raw) > maxStatement {
		return s, fmt.Errorf("a host's statement has %d bytes, at most %d are possible", len(raw), maxStatement)
	}
	_, body, err := Split(raw)
	if err == nil {
		err = wire.Unmarshal(body, &s)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return statement{}, fmt.Errorf("a host's statement: %w", err)
	}
	return s, nil
}

// claim verifies the signature of raw, whose record was verified.
func (s statement) claim(r Record, raw []byte) (Claim, error) {
	if _, err := r.Key.Open(StatementContext, raw); err != nil {
		return Claim{}, fmt.Errorf("the statement of %q is not signed by its token: %w", s.Name, err)
	}
	labels := r.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	node := NodeIdentity{
		Fleet: r.Fleet, ID: s.Key.ID(), Name: s.Name, Role: r.Role, Labels: labels,
		Key: s.Key, Seal: s.Seal, Token: r.ID(), Record: HashOf(s.Record), Admin: r.Issuer.ID(), Made: s.Made, Evidence: s.Evidence,
	}
	return Claim{node: node, by: r.Issuer}, nil
}

func (s statement) check() error {
	if err := CheckHostName(s.Name); err != nil {
		return err
	}
	if len(s.Seal) != SealSize {
		return fmt.Errorf("a sealing key has %d bytes, not %d", SealSize, len(s.Seal))
	}
	if s.Key.IsZero() {
		return errors.New("it has no node key")
	}
	for kind := range maps.Keys(s.Evidence) {
		if kind == "" || len(kind) > maxLabel || !printable(kind) {
			return errors.New("the kind of its evidence is not a name")
		}
	}
	return nil
}

// Identify returns who a host is, or why it is not of this fleet, or not any more: its key was revoked, or its token with
// all hosts, or no admin of this roster signed that token. The Labels and the Seal in what it returns are shared.
func (r Roster) Identify(c Claim) (NodeIdentity, error) {
	if err := r.ShutsOut(c.node.ID, c.node.Token); err != nil {
		return NodeIdentity{}, fmt.Errorf("%s: %w", c.node.Name, err)
	}
	if !r.vouches(c.by, c.node.Record) {
		return NodeIdentity{}, fmt.Errorf("the token of %s (%s) was signed by the key %s, which is no admin's; if an admin was removed whose hosts stay, see fleet admin remove --help",
			c.node.Name, c.node.ID, c.node.Admin)
	}
	return c.node, nil
}

// ShutsOut says how a host is revoked that has this key and came with this token, or nil. token is "" where nobody knows it.
// Everything that is not for a revoked host asks this.
func (r Roster) ShutsOut(node, token ID) error {
	switch {
	case r.IsRevoked(node):
		return fmt.Errorf("node %s is revoked", node)
	case token != "" && r.Revoked[token].Hosts:
		return fmt.Errorf("node %s came with token %s, which was revoked with all its hosts", node, token)
	}
	return nil
}

// vouches reports whether an admin's word stands behind what the key by signed about hosts: one of this roster, or one of former
// days whose word was kept.
func (r Roster) vouches(by PublicKey[Admin], record Hash) bool {
	signed := func(a AdminEntry) bool { return a.Key.Equal(by) }
	kept := func(k Kept) bool { return k.Record == record }
	return slices.ContainsFunc(r.Admins, signed) || slices.ContainsFunc(r.Kept, kept)
}

// Kept is what goes on counting although the admin who signed it is none any more: a token's record, which vouches for the hosts
// that came with the token and lets no new one in, or the labels of a host.
type Kept struct {
	ID     ID     `cbor:"1,keyasint"` // of the token, or of the host
	Record Hash   `cbor:"2,keyasint"` // of what was signed: the former admin could sign something else for the same
	By     string `cbor:"3,keyasint"` // the former admin's name, for people
}
