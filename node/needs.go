package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
)

// A job names documents that are in force where its signer sits, the roster above all. A host that has older ones fetches
// them before it judges.

const (
	// catchUpTries is how often the brokers' nodes are asked, catchUpPause apart: one of them may lag, or lie.
	catchUpTries = 5
	catchUpPause = 200 * time.Millisecond
	catchUpLimit = 3 * time.Second
	// catchUpAgain is how soon it is tried again after it failed: a signer may name what there is not, as often as he likes.
	catchUpAgain = 5 * time.Second
)

// catchUp brings documents into force here that are needed, unless they, or better versions, are. changed says that something
// came. It blocks for some seconds at most.
func (n *Node) catchUp(ctx context.Context, needs []job.WantedDocument) (changed bool, err error) {
	if len(n.lacking(needs)) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	n.catching.Lock() // one asks for all
	defer n.catching.Unlock()
	for try := range catchUpTries {
		lacking := n.lacking(needs)
		if len(lacking) == 0 {
			return true, nil
		}
		if time.Since(n.caughtNot) < catchUpAgain {
			return false, n.tooOld(lacking[0])
		}
		if try > 0 && wait.For(ctx, catchUpPause) != nil {
			break
		}
		n.fetch(ctx, lacking)
	}
	if lacking := n.lacking(needs); len(lacking) > 0 {
		n.caughtNot = time.Now()
		return false, n.tooOld(lacking[0])
	}
	return true, nil
}

// lacking are those needed documents of which an older version, or none, is in force here.
func (n *Node) lacking(needs []job.WantedDocument) (refs []gossip.Ref) {
	roster := n.roster.Load()
	for _, w := range needs {
		want := gossip.Ref{Kind: w.Kind, Name: w.Name, Version: w.Version}
		copy(want.Hash[:], w.Hash)
		_, have, ok := n.docs.Get(w.Kind, w.Name)
		if w.Kind == identity.RosterKind {
			have, ok = gossip.Ref{Version: roster.Version, Hash: gossip.Hash(roster.Hash)}, true
		}
		if !ok || want.Beats(have) || w.Kind == identity.RootKind && want.Version == have.Version && want.Hash != have.Hash {
			refs = append(refs, want)
		}
	}
	return refs
}

func (n *Node) tooOld(want gossip.Ref) error {
	if want.Kind == identity.RootKind {
		has := n.signers.authority()
		return fmt.Errorf("this host goes by root version %d, the job's signer by version %d or another one of that number, and no broker's node handed that out; if the root was lost and replaced: fleet node adopt-root",
			has.Version(), want.Version)
	}
	if want.Kind != identity.RosterKind {
		return fmt.Errorf("this host lacks the %s %s, which the job needs, and no broker's node handed it out", want.Kind, want.Name)
	}
	has := n.roster.Load()
	if has.Version == 0 {
		return errors.New("this host has no roster, and no broker's node handed one out")
	}
	return fmt.Errorf("this host has roster version %d (%s), the job's signer knows version %d (%s), and no broker's node handed that out",
		has.Version, has.Hash.Short(), want.Version, identity.Hash(want.Hash).Short())
}
