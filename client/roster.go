package client

import (
	"context"
	"errors"
	"slices"
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
		roster, err := g.c.Roster(ctx)
		if err == nil {
			g.roster = roster
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

func (g *gathering) isRuled() bool {
	select {
	case <-g.ruled:
		return true
	default:
		return false
	}
}

// revoked reports whether the roster, as far as it is known, or the request shuts this node out.
func (g *gathering) revoked(id identity.ID) bool {
	return slices.Contains(g.request.ShutOut, id) || g.isRuled() && g.roster.ShutsOut(id, "") != nil
}
