package client

import (
	"context"
	"errors"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
)

// Whoever was revoked may still hold a certificate that has not run out, and a broker may be one that has not heard of
// it. So each run asks for the roster beside the question who is there, and no reply counts before the answer is here.

var errNoRoster = errors.New("no broker returned the roster; without it revoked hosts are unknown and no answer can be trusted; check that the node on the broker's host is running")

// askRoster asks until the roster is known or ctx ends.
func (g *gathering) askRoster(ctx context.Context) {
	for {
		roster, _, err := g.c.Roster(ctx)
		if err == nil {
			g.roster = g.c.newest(roster)
			g.shut = make(map[identity.ID]bool, len(g.roster.RevokedNodes))
			for _, id := range g.roster.RevokedNodes {
				g.shut[id] = true
			}
			close(g.ruled)
			return
		}
		if ctx.Err() != nil {
			return
		}
		g.c.config.Log.Warn("roster", logkey.Error, err)
		wait.For(ctx, 100*time.Millisecond)
	}
}

// newest returns the newest roster that this client has seen: a broker that hands out an old one changes nothing.
func (c *Client) newest(r identity.Roster) identity.Roster {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Version > c.roster.Version {
		c.roster = r
	}
	return c.roster
}

func (g *gathering) isRuled() bool {
	select {
	case <-g.ruled:
		return true
	default:
		return false
	}
}

// revoked reports whether the roster, as far as it is known, shuts this node out.
func (g *gathering) revoked(id identity.ID) bool {
	return g.isRuled() && g.shut[id]
}
