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

// Rules are the signed documents that say whom to believe: a roster, and revocations. The zero value knows nothing.
type Rules struct {
	Roster      []byte
	Revocations [][]byte
}

// Open verifies them with the fleet's root key.
func (r Rules) Open(root identity.PublicKey[identity.Root]) (identity.Roster, error) {
	if r.Roster == nil {
		return identity.Roster{}, nil
	}
	roster, err := identity.OpenRoster(root, r.Roster)
	if err != nil {
		return identity.Roster{}, err
	}
	revocations, err := identity.OpenRevocations(root, r.Revocations...)
	if err != nil {
		return identity.Roster{}, err
	}
	return roster.Revoking(revocations), nil
}

// Joined is the better of two rosters, and all revocations of both that still say something.
func (r Rules) Joined(o Rules, root identity.PublicKey[identity.Root]) (Rules, error) {
	mine, err1 := r.Open(root)
	theirs, err2 := o.Open(root)
	if err := errors.Join(err1, err2); err != nil {
		return Rules{}, err
	}
	if theirs.Beats(mine) {
		r.Roster = o.Roster
	}
	r.Revocations = identity.Needed(root, append(slices.Clone(r.Revocations), o.Revocations...), time.Now())
	return r, nil
}

// known is a client that is not connected yet.
func known(c Config) (*Client, error) {
	roster, err := c.Known.Open(c.Root)
	if err != nil {
		return nil, fmt.Errorf("what was kept of the roster: %w", err)
	}
	return &Client{config: c, id: c.Key.Public().ID(), statements: identity.NewVerifier(c.Root), rules: c.Known, roster: roster}, nil
}

// current is the newest roster that was seen, with all revocations that were; without a version, none was.
func (c *Client) current() identity.Roster {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roster
}

// meet asks a broker for the roster the first time, when nothing is known but the root key, and looks whether that roster admits
// the broker. A broker without a roster, or that does not answer, is left to whoever asks next.
func (c *Client) meet(ctx context.Context, broker identity.Chain) error {
	roster, err := c.Roster(ctx)
	if err != nil {
		return ctx.Err()
	}
	return roster.AdmitsPeer(c.config.Root, broker)
}

// Roster asks a broker for the roster and all revocations, and verifies them. It returns the newest roster that this client
// has seen, with all revocations that it has seen: a broker that hands out old ones changes nothing. It blocks for at most
// eight seconds.
func (c *Client) Roster(ctx context.Context) (identity.Roster, error) {
	query, err := job.DocumentQuery{Documents: []job.WantedDocument{
		{Kind: identity.RosterKind, Name: identity.RosterKind}, {Kind: identity.RevocationKind},
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
	if len(answer.Documents) == 0 {
		return identity.Roster{}, errors.New("the broker's node has no roster; look at fleet doctor on its host")
	}
	if answer.More {
		return identity.Roster{}, errors.New("the broker's node has more revocations than fit into an answer, so revoked hosts could not be told from others")
	}
	came := Rules{Roster: answer.Documents[0], Revocations: answer.Documents[1:]}
	roster, err := came.Open(c.config.Root)
	if err != nil {
		return identity.Roster{}, err
	}
	c.remind(ctx, roster)
	return c.learn(came, roster)
}

// remind hands in the roster that is known here where a broker's node has an older one, once: the fleet may have lost it, or never
// have had it, and hosts refuse jobs that name it.
func (c *Client) remind(ctx context.Context, theirs identity.Roster) {
	c.mu.Lock()
	known, due := c.rules.Roster, c.roster.Beats(theirs) && !c.reminded
	c.reminded = c.reminded || due
	c.mu.Unlock()
	if !due {
		return
	}
	if err := c.PutDocument(ctx, known); err != nil {
		c.config.Log.Warn("the brokers have an older roster than this machine", logkey.Error, err)
	}
}

// learn adds what came to what is known.
func (c *Client) learn(came Rules, roster identity.Roster) (identity.Roster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, changed := c.rules, false
	if roster.Beats(c.roster) {
		next.Roster, changed = came.Roster, true
	}
	for _, raw := range came.Revocations {
		if !slices.ContainsFunc(next.Revocations, func(have []byte) bool { return bytes.Equal(have, raw) }) {
			next.Revocations, changed = append(slices.Clip(next.Revocations), raw), true
		}
	}
	if !changed {
		return c.roster, nil
	}
	next.Revocations = identity.Needed(c.config.Root, next.Revocations, time.Now())
	both, err := next.Open(c.config.Root)
	if err != nil {
		return identity.Roster{}, err
	}
	c.rules, c.roster = next, both
	if c.config.Keep != nil {
		c.config.Keep(next)
	}
	return both, nil
}

// Instead returns the document of revocations that hosts have instead of this one, as far as is known: another one that says all
// that it says, as when somebody revokes more at the same moment, or else itself.
func (c *Client) Instead(signed []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.rules.Revocations {
		both := identity.Needed(c.config.Root, [][]byte{other, signed}, time.Now())
		if len(both) == 1 && bytes.Equal(both[0], other) {
			return other
		}
	}
	return signed
}

// needs is what a host must have before it judges a job of this client: the roster that is known here, and what r asks for.
func (c *Client) needs(r Request) []job.WantedDocument {
	if roster := c.current(); roster.Version != 0 {
		return append([]job.WantedDocument{{Kind: identity.RosterKind, Name: identity.RosterKind, Version: roster.Version, Hash: roster.Hash[:]}}, r.Needs...)
	}
	return r.Needs
}
