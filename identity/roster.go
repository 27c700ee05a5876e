package identity

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/internal/wire"
)

// RosterKind is the kind of the roster, and its name.
const RosterKind = "roster"

// Roster is the root-signed list of who may do what. Only it makes admins.
type Roster struct {
	Fleet  string       `cbor:"1,keyasint"`
	Admins []AdminEntry `cbor:"2,keyasint"`
	Roles  []RoleEntry  `cbor:"3,keyasint"`
	Keys   Keys         `cbor:"4,keyasint,omitzero"`
	Kept   []Kept       `cbor:"5,keyasint,omitempty"`
	// Hosts is how many hosts the fleet has, as its root says; 0: it does not. Rules about a share of the fleet go by it, since
	// whom gossip knows of anybody with its key can invent.
	Hosts uint32 `cbor:"6,keyasint,omitempty"`

	// The document's:
	Version uint64    `cbor:"-"`
	History History   `cbor:"-"`
	By      string    `cbor:"-"`
	Issued  time.Time `cbor:"-"`
	Hash    Hash      `cbor:"-"` // of the signed document; zero before it is signed

	anyIssuer bool // see AnyIssuer

	// Revoked are the keys that count no more, by their id, see Revoking. It is shared and must not be changed.
	Revoked map[ID]Revocation `cbor:"-"`
}

// Beats reports whether nodes keep r rather than o: the higher version, and of two with one number the greater hash.
func (r Roster) Beats(o Roster) bool {
	if r.Version != o.Version {
		return r.Version > o.Version
	}
	return bytes.Compare(r.Hash[:], o.Hash[:]) > 0
}

// Knows reports whether r is the version with that hash, comes after it, or has its changes made again.
func (r Roster) Knows(hash Hash) bool { return r.Hash == hash || r.History.has(hash) }

// Next is the version after r, not signed yet, made by the admin of that name.
func (r Roster) Next(by string) Roster {
	r.History = r.History.after(r.Hash)
	r.Version, r.By, r.Hash = r.Version+1, by, Hash{}
	return r
}

// Merging is r, not signed yet, with the changes of another version made again that had lost.
func (r Roster) Merging(lost Roster) Roster {
	r.History = r.History.merging(lost.Hash, lost.History)
	return r
}

// Revoking is r with the keys of these revocations shut out too, of two of one key the stronger. An admin whose key is among
// them is none, whatever the roster says.
func (r Roster) Revoking(list []Revocation) Roster {
	revoked := maps.Clone(r.Revoked)
	if revoked == nil {
		revoked = make(map[ID]Revocation, len(list))
	}
	for _, v := range list {
		if old, twice := revoked[v.ID]; twice {
			v = v.joined(old)
		}
		revoked[v.ID] = v
	}
	r.Revoked = revoked
	r.Admins = slices.DeleteFunc(slices.Clone(r.Admins), func(a AdminEntry) bool { return r.IsRevoked(a.Key.ID()) })
	return r
}

// IsRevoked reports whether the key with this id counts no more.
func (r Roster) IsRevoked(id ID) bool { _, ok := r.Revoked[id]; return ok }

// RevokesSame reports whether r and o shut out the same keys and hosts.
func (r Roster) RevokesSame(o Roster) bool {
	return maps.EqualFunc(r.Revoked, o.Revoked, func(a, b Revocation) bool { return a.ID == b.ID && a.Hosts == b.Hosts })
}

// Authorises reports whether a genuine document may be in force now: what the root signed, and what an admin signed who is
// one still. Whether his roles allow it is for the kind's own code.
func (r Roster) Authorises(d Document) bool {
	_, ok := r.Admin(d.Signer)
	return d.Signer == "" || ok
}

// Keys says which of the fleet's shared keys are in force. Only this makes an issuing key one of the fleet's.
type Keys struct {
	Issuing ID `cbor:"1,keyasint"` // peers issue with this key
	// Gossip names the key that nodes encrypt gossip with, see GossipID; before the first rotation it is "": the one that came at
	// admission.
	Gossip ID   `cbor:"2,keyasint,omitempty"`
	Older  []ID `cbor:"3,keyasint,omitempty"` // issuing keys that are accepted too, in the middle of a rotation, as are older gossip keys
	// Since is the lowest version of the Rotation documents that brought these keys: older ones are history.
	Since uint64 `cbor:"4,keyasint,omitempty"`

	// Coming are issuing keys of rotations that are not in force yet. A host accepts them too, since it may hear last that they are.
	Coming []ID `cbor:"-"`
}

// Same reports whether both have the same keys in force.
func (k Keys) Same(o Keys) bool {
	return k.Issuing == o.Issuing && k.Gossip == o.Gossip && k.Since == o.Since && slices.Equal(k.Older, o.Older)
}

// Overlap reports whether older keys are accepted too.
func (k Keys) Overlap() bool { return len(k.Older) > 0 }

// accept reports whether certificates by this issuing key count.
func (k Keys) accept(issuer ID) bool {
	return k.Issuing == issuer || slices.Contains(k.Older, issuer) || slices.Contains(k.Coming, issuer)
}

func (k Keys) check() error {
	bad := func(id ID) bool { return !id.Valid() }
	if bad(k.Issuing) || k.Gossip != "" && bad(k.Gossip) || len(k.Older) > maxOlder || slices.ContainsFunc(k.Older, bad) {
		return errors.New("the ids of the keys in force are missing or not valid")
	}
	return nil
}

// ErrIssuer is wrapped where a certificate is by an issuing key that the roster does not name.
var ErrIssuer = errors.New("issuing key")

// AnyIssuer is r for somebody who may not have heard yet that the keys were replaced: it takes certificates by any issuing key. It is
// good for asking whoever shows one for a newer roster, which then decides, and for nothing else.
func (r Roster) AnyIssuer() Roster {
	r.anyIssuer = true
	return r
}

// Admit returns who the holder of a certificate is, or why it is not of this fleet, or not any more.
//
// A roster without a version is none: it is not known yet, or was lost. Then nobody can say which keys are admins', and the
// certificate alone counts, for no more than TLS: a host without a roster obeys no job, and a client believes no reply.
func (r Roster) Admit(c Certificate) (Certified, error) {
	node, err := r.Identify(c.claim)
	if r.Version == 0 {
		node, err = c.claim.node, r.ShutsOut(c.claim.node.ID, c.claim.node.Token)
	}
	if err != nil {
		return Certified{}, err
	}
	if unknown := r.Version == 0 && r.Keys.Issuing == "" || r.anyIssuer; !unknown && !r.Keys.accept(c.Issuer) {
		return Certified{}, fmt.Errorf("%w: the certificate of %s (%s) is by an issuing key that the roster does not name: it was replaced, or is not this fleet's; admit the host again with a new token (fleet node --join @FILE)", ErrIssuer, node.Name, node.ID)
	}
	return Certified{node, c.Issuer, c.NotAfter}, nil
}

// AdminEntry is a person with a signing key.
type AdminEntry struct {
	Name  string           `cbor:"1,keyasint"`
	Key   PublicKey[Admin] `cbor:"2,keyasint"`
	Roles []string         `cbor:"3,keyasint"`
}

// RoleEntry is what a role allows: whatever one of its rules allows.
type RoleEntry struct {
	Name  string `cbor:"1,keyasint"`
	Rules []Rule `cbor:"2,keyasint"`
}

// Rule allows one thing. All that it names must hold; package policy decides whether it does.
type Rule struct {
	Action string            `cbor:"1,keyasint"`           // PLUGIN.ACTION, where each side may be "*"
	Args   map[string]string `cbor:"2,keyasint,omitempty"` // argument -> value, where "*" stands for any text
	Hosts  string            `cbor:"3,keyasint,omitempty"` // an -S expression over the host's attested labels; "": every host
	From   int64             `cbor:"4,keyasint,omitempty"` // Unix seconds; 0: since ever
	Until  int64             `cbor:"5,keyasint,omitempty"` // Unix seconds, not included; 0: for ever
	// Second is the share of the fleet, in percent, above which a second admin must have signed too: 0 is never, and
	// 1 to 100 stand for "above N-1 %", so that 1 is always.
	Second uint8 `cbor:"6,keyasint,omitempty"`
}

// Admin returns the entry whose key has this ID.
func (r Roster) Admin(id ID) (AdminEntry, bool) {
	for _, a := range r.Admins {
		if a.Key.ID() == id {
			return a, true
		}
	}
	return AdminEntry{}, false
}

// SignRoster makes the document. The version must be one higher than the last, see Next; nodes never go back.
func SignRoster(root Quorum, r Roster, now time.Time) ([]byte, error) {
	body, err := r.Propose(now)
	if err != nil {
		return nil, err
	}
	return root.Sign(body)
}

// Propose makes what the root's keys sign of a roster, see Proposal.
func (r Roster) Propose(now time.Time) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return Document{Kind: RosterKind, Name: RosterKind, Version: r.Version, History: r.History, By: r.By}.toSign(r, now)
}

// OpenRoster verifies a roster document with the root's keys. What was revoked is in other documents, see Revoking.
func OpenRoster(root Authority, raw []byte) (Roster, error) {
	doc, err := openDocument(root, nil, raw)
	if err != nil {
		return Roster{}, fmt.Errorf("roster: %w", err)
	}
	r, err := rosterIn(doc)
	if err != nil {
		return Roster{}, err
	}
	r.Hash = HashOf(raw)
	return r, nil
}

// rosterIn reads the roster in a document.
func rosterIn(doc Document) (r Roster, err error) {
	if doc.Kind != RosterKind || doc.Name != RosterKind || !doc.Until.IsZero() {
		return r, fmt.Errorf("document is a %s/%s, not the roster, or it ends", doc.Kind, doc.Name)
	}
	if err := wire.Unmarshal(doc.Body, &r); err != nil {
		return Roster{}, fmt.Errorf("roster: %w", err)
	}
	r.Version, r.History, r.By, r.Issued = doc.Version, doc.History, doc.By, doc.Issued
	if err := r.check(); err != nil {
		return Roster{}, err
	}
	return r, nil
}

func (r Roster) check() error {
	if r.Version == 0 || r.Fleet == "" {
		return errors.New("the roster lacks a version or a fleet name")
	}
	if len(r.Admins) == 0 || len(r.Admins) > maxAdmins {
		return fmt.Errorf("the roster has %d admins; it must have 1 to %d", len(r.Admins), maxAdmins)
	}
	if err := r.Keys.check(); err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	if r.Hosts > MaxHosts {
		return fmt.Errorf("the roster says that the fleet has %d hosts; the limit is %d", r.Hosts, MaxHosts)
	}
	if len(r.Kept) > maxKept {
		return fmt.Errorf("the roster keeps %d tokens and labels of former admins; the limit is %d", len(r.Kept), maxKept)
	}
	for _, k := range r.Kept {
		if !k.ID.Valid() || len(k.By) > maxLabel || !printable(k.By) {
			return errors.New("roster: something that it keeps has no valid id, or its admin no name")
		}
	}
	roles := map[string]bool{}
	for _, role := range r.Roles {
		if roles[role.Name] || role.Name == "" {
			return fmt.Errorf("roster: role %q is listed twice or has no name", role.Name)
		}
		roles[role.Name] = true
		if len(role.Rules) > maxRules {
			return fmt.Errorf("roster: role %q has %d rules; the limit is %d", role.Name, len(role.Rules), maxRules)
		}
		for _, rule := range role.Rules {
			if err := rule.check(); err != nil {
				return fmt.Errorf("roster: role %q: %w", role.Name, err)
			}
		}
	}
	seen := map[string]bool{}
	for _, a := range r.Admins {
		if a.Name == "" || a.Key.IsZero() || seen["name "+a.Name] || seen[string(a.Key.ID())] {
			return fmt.Errorf("roster: admin %q is listed twice, or has no name or key", a.Name)
		}
		seen["name "+a.Name], seen[string(a.Key.ID())] = true, true
		for _, name := range a.Roles {
			if !roles[name] {
				return fmt.Errorf("roster: admin %q has the role %q, which is not defined", a.Name, name)
			}
		}
	}
	return nil
}

// check is about form; whether Hosts can be evaluated is for package policy, which lets nobody in where it cannot.
func (r Rule) check() error {
	plugin, action, ok := strings.Cut(r.Action, ".")
	switch {
	case !ok || plugin == "" || action == "" || !printable(r.Action) || len(r.Action) > maxLabel:
		return fmt.Errorf("%q is not PLUGIN.ACTION", r.Action)
	case r.Until != 0 && r.Until <= r.From:
		return fmt.Errorf("the rule for %s ends before it begins", r.Action)
	case r.Second > 100:
		return fmt.Errorf("the rule for %s asks for a second key above %d %%", r.Action, r.Second-1)
	case len(r.Hosts) > maxExpression || !printable(r.Hosts):
		return fmt.Errorf("the rule for %s has an expression over hosts that is too long or cannot be printed", r.Action)
	}
	return checkLabels(r.Args)
}
