package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// Rules are the signed documents that say whom to believe: the root's records, a roster, and revocations. The zero value knows
// nothing.
type Rules struct {
	Root        []byte
	Roster      []byte
	Revocations [][]byte
}

// Open verifies them by what is pinned of the fleet.
func (r Rules) Open(anchor identity.Anchor) (root identity.Authority, roster identity.Roster, err error) {
	if r.Root == nil {
		return root, roster, nil
	}
	if root, err = identity.OpenRoot(anchor, r.Root); err != nil || r.Roster == nil {
		return root, roster, err
	}
	if roster, err = identity.OpenRoster(root, r.Roster); err != nil {
		return root, identity.Roster{}, err
	}
	revocations, err := identity.OpenRevocations(root, r.Revocations...)
	if err != nil {
		return root, identity.Roster{}, err
	}
	return root, roster.Revoking(revocations), nil
}

// Joined is the newer root of both, the better roster under it, and all revocations that count under it and still say something.
// Both roots are one, or one follows the other.
func (r Rules) Joined(o Rules, anchor identity.Anchor) (Rules, error) {
	root, err := newer(r.Root, o.Root, anchor)
	if err != nil {
		return Rules{}, err
	}
	mine, err1 := identity.OpenRoster(root, r.Roster)
	theirs, err2 := identity.OpenRoster(root, o.Roster)
	switch {
	case err1 != nil && err2 != nil:
		r.Roster = nil
	case err1 != nil || theirs.Beats(mine):
		r.Roster = o.Roster
	}
	r.Root = root.Raw()
	r.Revocations = identity.Needed(root, append(slices.Clone(r.Revocations), o.Revocations...), time.Now())
	return r, nil
}

// newer is the root that is ahead.
func newer(mine, theirs []byte, anchor identity.Anchor) (root identity.Authority, err error) {
	if mine == nil {
		return identity.OpenRoot(anchor, theirs)
	}
	if root, err = identity.OpenRoot(anchor, mine); err != nil || theirs == nil {
		return root, err
	}
	if root.Follows(theirs) {
		return root, nil
	}
	return root.Follow(theirs)
}

// known is a client that is not connected yet.
func known(c Config) (*Client, error) {
	root, roster, err := c.Known.Open(c.Root)
	if err != nil {
		return nil, fmt.Errorf("what was kept of the roster: %w", err)
	}
	return &Client{config: c, id: c.Key.Public().ID(), statements: identity.NewVerifier(c.Root), rules: c.Known, root: root, roster: roster}, nil
}

// current is the newest roster that was seen, with all revocations that were; without a version, none was.
func (c *Client) current() identity.Roster {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roster
}

// Authority is the newest root that was seen.
func (c *Client) Authority() identity.Authority {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.root
}

// Rules are the newest root, roster and revocations that were seen, as they were signed. They must not be changed.
func (c *Client) Rules() Rules {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules
}

// judging is the roster by which brokers are let through the handshake: the one that is known, but until one was met the issuing key
// may have been replaced since then.
func (c *Client) judging() identity.Roster {
	if c.met.Load() {
		return c.current()
	}
	return c.current().AnyIssuer()
}

// meet asks a broker that the roster known here does not admit for a newer one, and looks whether that admits the broker. The first
// time nothing is known but what is pinned.
func (c *Client) meet(ctx context.Context, broker identity.Chain) error {
	if known := c.current(); known.Version != 0 && known.AdmitsPeer(c.config.Root, broker) == nil {
		c.met.Store(true)
		return nil
	}
	roster, err := c.Roster(ctx)
	if err != nil {
		return fmt.Errorf("no roster that is known here admits this broker, and none came: %w", err)
	}
	if err := roster.AdmitsPeer(c.config.Root, broker); err != nil {
		return err
	}
	c.met.Store(true)
	return nil
}

// Roster asks a broker for the root, the roster and all revocations, and verifies them. It returns the newest roster that this client
// has seen, with all revocations that it has seen: a broker that hands out old ones changes nothing. It blocks for at most
// eight seconds.
func (c *Client) Roster(ctx context.Context) (identity.Roster, error) {
	query, err := job.DocumentQuery{Documents: []job.WantedDocument{
		{Kind: identity.RootKind, Name: identity.RootKind}, {Kind: identity.RosterKind, Name: identity.RosterKind}, {Kind: identity.RevocationKind},
	}}.Encode()
	if err != nil {
		return identity.Roster{}, err
	}
	raw, err := c.inquire(ctx, job.DocGetSubject, query)
	if err != nil {
		return identity.Roster{}, fmt.Errorf("ask for the roster: %w", err)
	}
	answer, err := job.DecodeDocuments(raw)
	if err != nil {
		return identity.Roster{}, err
	}
	if len(answer.Documents) < 2 {
		return identity.Roster{}, errors.New("the broker's node has no roster; look at fleet doctor on its host")
	}
	if answer.More {
		return identity.Roster{}, errors.New("the broker's node has more revocations than fit into an answer, so revoked hosts could not be told from others")
	}
	came := Rules{Root: answer.Documents[0], Roster: answer.Documents[1], Revocations: answer.Documents[2:]}
	root, err := newer(c.Authority().Raw(), came.Root, c.config.Root)
	if err != nil {
		return identity.Roster{}, err
	}
	roster := identity.Roster{}
	if bytes.Equal(root.Raw(), came.Root) { // what an older root signed is not looked at
		if _, roster, err = came.Open(root.Anchor()); err != nil {
			return identity.Roster{}, err
		}
	}
	c.remind(ctx, came, roster)
	return c.learn(came)
}

// remind hands in what is known here and a broker's node does not have, once: a newer root and roster, and revocations that nothing there
// says. The fleet may have lost them, or a captured peer has taken them and given them to nobody.
func (c *Client) remind(ctx context.Context, came Rules, theirs identity.Roster) {
	c.mu.Lock()
	known, root, roster, done := c.rules, c.root, c.roster, c.reminded
	c.mu.Unlock()
	if done {
		return
	}
	var missing [][]byte
	if roster.Beats(theirs) {
		missing = append(missing, known.Root, known.Roster)
	}
	missing = append(missing, known.beside(came, root)...)
	if len(missing) == 0 {
		return
	}
	c.mu.Lock()
	c.reminded = true
	c.mu.Unlock()
	for _, raw := range missing {
		if err := c.PutDocument(ctx, raw); err != nil {
			c.config.Log.Warn("the brokers lack a signed document that this machine has", logkey.Error, err)
		}
	}
}

// beside are the revocations of r that still say something that those of o do not.
func (r Rules) beside(o Rules, root identity.Authority) [][]byte {
	has := func(raw []byte) bool {
		return slices.ContainsFunc(o.Revocations, func(other []byte) bool { return bytes.Equal(other, raw) })
	}
	mine := slices.DeleteFunc(slices.Clone(r.Revocations), has)
	if len(mine) == 0 {
		return nil
	}
	needed := identity.Needed(root, slices.Concat(o.Revocations, mine), time.Now())
	return slices.DeleteFunc(needed, has)
}

// learn adds what came to what is known.
func (c *Client) learn(came Rules) (identity.Roster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.rules.Joined(came, c.config.Root)
	if err != nil {
		return identity.Roster{}, err
	}
	if next.same(c.rules) {
		return c.roster, nil
	}
	root, both, err := next.Open(c.config.Root)
	if err != nil {
		return identity.Roster{}, err
	}
	if both.Version == 0 {
		return identity.Roster{}, errors.New("the broker's node has no roster that the fleet's root signed; look at fleet doctor on its host")
	}
	c.rules, c.root, c.roster = next, root, both
	if c.config.Keep != nil {
		c.config.Keep(next)
	}
	return both, nil
}

func (r Rules) same(o Rules) bool {
	return bytes.Equal(r.Root, o.Root) && bytes.Equal(r.Roster, o.Roster) && slices.EqualFunc(r.Revocations, o.Revocations, bytes.Equal)
}

// Signed are the documents that the fleet's root signed and that count now, as far as this client and the broker's node know them. It
// blocks for at most eight seconds.
func (c *Client) Signed(ctx context.Context) ([][]byte, error) {
	if _, err := c.Roster(ctx); err != nil {
		return nil, err
	}
	query, err := job.DocumentQuery{Documents: []job.WantedDocument{{Kind: identity.RotationKind}}}.Encode()
	if err != nil {
		return nil, err
	}
	raw, err := c.inquire(ctx, job.DocGetSubject, query)
	if err != nil {
		return nil, fmt.Errorf("ask for rotations: %w", err)
	}
	answer, err := job.DecodeDocuments(raw)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append([][]byte{c.rules.Roster}, c.rules.Revocations...)
	for _, raw := range answer.Documents {
		if _, err := identity.OpenRotation(c.root, raw); err == nil {
			all = append(all, raw)
		}
	}
	return all, nil
}

// Instead returns the document of revocations that hosts have instead of this one, as far as is known: another one that says all
// that it says, as when somebody revokes more at the same moment, or else itself.
func (c *Client) Instead(signed []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.rules.Revocations {
		both := identity.Needed(c.root, [][]byte{other, signed}, time.Now())
		if len(both) == 1 && bytes.Equal(both[0], other) {
			return other
		}
	}
	return signed
}

// needs is what a host must have before it judges a job of this client: the root, if it was ever replaced, and the roster that are
// known here, and what r asks for.
func (c *Client) needs(r Request) (needs []job.WantedDocument) {
	root, roster := c.Authority(), c.current()
	if root.Version() > 1 {
		hash := identity.HashOf(root.Raw())
		needs = append(needs, job.WantedDocument{Kind: identity.RootKind, Name: identity.RootKind, Version: root.Version(), Hash: hash[:]})
	}
	if roster.Version != 0 {
		needs = append(needs, job.WantedDocument{Kind: identity.RosterKind, Name: identity.RosterKind, Version: roster.Version, Hash: roster.Hash[:]})
	}
	return append(needs, r.Needs...)
}
