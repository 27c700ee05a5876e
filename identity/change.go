package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"fleet/internal/wire"
)

const changePrefix = "fleet-change1."

// ErrStale is wrapped where a change was made for a root or a roster that is not in force any more.
var ErrStale = errors.New("it must be made again")

// Change is what holders of root keys sign one after the other, each perhaps on another machine, before it is handed in: documents, or
// a new root. It has the root and the roster that it follows, so that a holder needs nothing else to see what it changes. It is
// not secret.
type Change struct {
	Root        Authority    // in force when it was made
	Roster      Roster       // the same, without revocations
	Documents   []Proposed   // in the order in which they are handed in, the roster first; or
	Replacement *Replacement // of the root
	wire        change
}

// Proposed is a document that is to be signed: a roster, or revocations.
type Proposed struct {
	Document    Document
	Roster      *Roster
	Revocations []Revocation
}

// change is the text, encoded.
type change struct {
	Root        []byte       `cbor:"1,keyasint"`
	Roster      []byte       `cbor:"2,keyasint"` // signed
	Documents   []Proposal   `cbor:"3,keyasint,omitempty"`
	Replacement *Replacement `cbor:"4,keyasint,omitempty"`
}

// NewChange is a change by documents that nobody has signed yet: what Roster.Propose and ProposeRevocations make. The roster is the
// one in force, signed.
func NewChange(root Authority, roster []byte, bodies ...[]byte) (Change, error) {
	w := change{Root: root.raw, Roster: roster}
	for _, b := range bodies {
		w.Documents = append(w.Documents, Proposal{Body: b})
	}
	return w.open(root.Anchor())
}

// NewRootChange is a change of the root itself.
func NewRootChange(root Authority, roster []byte, r Replacement) (Change, error) {
	return change{Root: root.raw, Roster: roster, Replacement: &r}.open(root.Anchor())
}

// Adding is the change with one more document.
func (c Change) Adding(body []byte) (Change, error) {
	w := c.wire
	w.Documents = append(slices.Clone(w.Documents), Proposal{Body: body})
	return w.open(c.Root.Anchor())
}

// ParseChange reads a change, by whomever it comes, for the fleet of this anchor. Signatures that it has are verified.
func ParseChange(anchor Anchor, text string) (Change, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), changePrefix)
	if !ok || len(rest) > base64.RawURLEncoding.EncodedLen(maxChange) {
		return Change{}, fmt.Errorf("not a change for holders of root keys: it must begin with %q", changePrefix)
	}
	raw, err := DecodeText(rest)
	if err != nil {
		return Change{}, errors.New("the change is damaged or cut off")
	}
	var w change
	if err := wire.Unmarshal(raw, &w); err != nil {
		return Change{}, err
	}
	return w.open(anchor)
}

// Text is the reverse of ParseChange.
func (c Change) Text() (string, error) {
	raw, err := wire.Marshal(c.wire)
	if err != nil {
		return "", err
	}
	if len(raw) > maxChange {
		return "", fmt.Errorf("the change has %d bytes; the limit is %d", len(raw), maxChange)
	}
	return changePrefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

// open verifies all of it but that enough keys have signed.
func (w change) open(anchor Anchor) (c Change, err error) {
	c = Change{Replacement: w.Replacement, wire: w}
	if c.Root, err = OpenRoot(anchor, w.Root); err != nil {
		return Change{}, err
	}
	if c.Roster, err = OpenRoster(c.Root, w.Roster); err != nil {
		return Change{}, fmt.Errorf("the roster that it follows: %w", err)
	}
	switch n := len(w.Documents); {
	case w.Replacement != nil && n == 0:
		return c, c.checkReplacement()
	case w.Replacement != nil || n == 0 || n > maxProposed:
		return Change{}, fmt.Errorf("a change is 1 to %d documents, or a new root", maxProposed)
	}
	for i, p := range w.Documents {
		d, err := p.open(c.Root)
		if err == nil && d.Roster != nil {
			err = c.follows(i, *d.Roster)
		}
		if err == nil && slices.ContainsFunc(w.Documents[:i], func(o Proposal) bool { return bytes.Equal(o.Body, p.Body) }) {
			err = errors.New("it is there twice")
		}
		if err != nil {
			return Change{}, fmt.Errorf("document %d of the change: %w", i+1, err)
		}
		c.Documents = append(c.Documents, d)
	}
	return c, nil
}

// open reads a document that may lack signatures.
func (p Proposal) open(root Authority) (d Proposed, err error) {
	if err := root.record.verifySome(ofFleet(RootedContext, root.first, p.Body), p.Signatures); err != nil {
		return d, err
	}
	if len(p.Body) > MaxDocument-maxSignatures {
		return d, fmt.Errorf("it has %d bytes; the limit for a document is %d", len(p.Body), MaxDocument-maxSignatures)
	}
	if d.Document, err = decodeRooted(p.Body); err != nil {
		return d, err
	}
	switch d.Document.Kind {
	case RosterKind:
		r, err := rosterIn(d.Document)
		d.Roster = &r
		return d, err
	case RevocationKind:
		d.Revocations, err = revocationsIn(d.Document, HashOf(p.Body))
		return d, err
	}
	return d, fmt.Errorf("a %q is signed on one machine, and not by one holder after the other", d.Document.Kind)
}

// follows says why a roster cannot come at this place of the change.
func (c Change) follows(place int, r Roster) error {
	next := c.Roster.Next(r.By)
	switch {
	case place != 0:
		return errors.New("the roster is not the first document")
	case r.Version != next.Version || !reflect.DeepEqual(r.History, next.History):
		return errors.New("the roster does not say that it follows the one in the file")
	}
	return nil
}

// checkReplacement verifies a new root as far as it is signed.
func (c Change) checkReplacement() error {
	r, before := *c.Replacement, c.Root
	own, err := r.record(before)
	if err != nil {
		return fmt.Errorf("the new root: %w", err)
	}
	if own.Version != before.record.Version+1 || own.Before != before.hash || len(own.Salt) > 0 {
		return errors.New("the new root does not follow the one in the file")
	}
	message := ofFleet(RootContext, before.first, r.Record)
	if err := errors.Join(before.record.verifySome(message, r.Before), own.verifySome(message, r.Own)); err != nil {
		return fmt.Errorf("the new root: %w", err)
	}
	next, err := r.Root(before)
	if err != nil {
		return fmt.Errorf("the new root: %w", err)
	}
	if !next.vouched[c.Roster.Hash] {
		return errors.New("the new root does not vouch for the roster in force: there would be none")
	}
	return nil
}

// Follows says why the change cannot be made any more, with these in force: the error wraps ErrStale.
func (c Change) Follows(root Authority, roster Roster) error {
	switch {
	case root.Anchor() != c.Root.Anchor():
		return fmt.Errorf("the change was made for root version %d, and version %d is in force: %w", c.Root.Version(), root.Version(), ErrStale)
	case roster.Hash != c.Roster.Hash:
		return fmt.Errorf("the change was made for roster version %d (%s), and version %d (%s) is in force: %w", c.Roster.Version, c.Roster.Hash.Short(), roster.Version, roster.Hash.Short(), ErrStale)
	}
	return nil
}

// Wants reports whether the key's signature is missing, and may be there.
func (c Change) Wants(k RootKey) bool {
	if r := c.Replacement; r != nil {
		own, _ := r.record(c.Root) // open has checked it
		return c.Root.record.wants(k, r.Before) || own.wants(k, r.Own)
	}
	return slices.ContainsFunc(c.wire.Documents, func(p Proposal) bool { return c.Root.record.wants(k, p.Signatures) })
}

func (r rootRecord) wants(k RootKey, list []rootSignature) bool {
	return r.has(k) && len(list) < r.Threshold && !slices.ContainsFunc(r.at(list), k.Equal)
}

// Sign adds a key's signature to all that lacks it. It reports false where the key has signed, or enough others have.
func (c *Change) Sign(by RootSigner) (added bool, err error) {
	w := c.wire
	if r := w.Replacement; r != nil {
		signed := *r
		if err := signed.Sign(c.Root, by); err != nil {
			return false, err
		}
		added = len(signed.Before)+len(signed.Own) > len(r.Before)+len(r.Own)
		w.Replacement = &signed
	}
	w.Documents = slices.Clone(w.Documents)
	for i := range w.Documents {
		p := &w.Documents[i]
		n := len(p.Signatures)
		if n >= c.Root.record.Threshold {
			continue
		}
		if err := p.Sign(c.Root, by); err != nil {
			return false, err
		}
		added = added || len(p.Signatures) > n
	}
	if next, err := w.open(c.Root.Anchor()); err == nil {
		*c = next
	} else {
		return false, err
	}
	return added, nil
}

// Signed are the root's keys that have signed, and for a new root those of its own.
func (c Change) Signed() (keys, own []RootKey) {
	if r := c.Replacement; r != nil {
		record, _ := r.record(c.Root) // open has checked it
		return c.Root.record.at(r.Before), record.at(r.Own)
	}
	return c.Root.record.at(c.fewest()), nil
}

// fewest are the signatures of the document that has the fewest.
func (c Change) fewest() []rootSignature {
	return slices.MinFunc(c.wire.Documents, func(a, b Proposal) int { return len(a.Signatures) - len(b.Signatures) }).Signatures
}

// Missing is how many more of the root's keys must sign, and of a new root's own.
func (c Change) Missing() (keys, own int) {
	if r := c.Replacement; r != nil {
		keys, own, _ = r.Missing(c.Root)
		return keys, own
	}
	return c.Root.record.Threshold - len(c.fewest()), 0
}

// Finished are the signed documents, in the order in which they are handed in. Until enough keys have signed it is ErrTooFewKeys.
func (c Change) Finished() (signed [][]byte, err error) {
	if keys, own := c.Missing(); keys+own > 0 {
		return nil, fmt.Errorf("%w: %d", ErrTooFewKeys, keys+own)
	}
	if r := c.Replacement; r != nil {
		next, err := r.Root(c.Root)
		if err == nil {
			next, err = c.Root.Follow(next.raw)
		}
		return [][]byte{next.raw}, err
	}
	for _, p := range c.wire.Documents {
		raw, err := p.Document(c.Root)
		if err != nil {
			return nil, err
		}
		signed = append(signed, raw)
	}
	return signed, nil
}

// at are the keys of these signatures.
func (r rootRecord) at(list []rootSignature) (keys []RootKey) {
	for _, s := range list {
		keys = append(keys, r.Keys[s.Key])
	}
	return keys
}
