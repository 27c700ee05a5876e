package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/plugins/answers"

	ucli "github.com/urfave/cli/v2"
)

// rotatePatience is how long each step of a rotation waits for the hosts that are there.
const rotatePatience = 2 * time.Minute

func rotateVerb() verb {
	return verb{
		name: "rotate", group: groupBuild, brief: "replace the issuing key and the gossip key",
		about: []string{
			"Use it when these keys may be in the wrong hands: a peer was captured (it holds both keys), or a member (it holds the gossip key). Needs the root key. Revoke the captured hosts first; afterwards the keys they hold are worthless.",
			"It works in three steps and waits for each: every running host gets the new keys, sealed to it; the new keys come into use and every host gets a new certificate; the old keys are no longer accepted. Hosts stay reachable throughout. You can interrupt it at any point and run it again.",
			"Only hosts that answer at the start get the new keys. Check the list it shows: a thief who has a token too can have added hosts. A host that is down is left out; bring it back with a new token (fleet token create; then on the host: fleet node --join @FILE). It keeps its key and name.",
		},
		examples: []example{{"fleet rotate", "after a stolen peer was revoked with fleet node revoke"}},
		flags:    rosterFlags(), endings: []ending{endFault, endSilent, endInterrupted},
		do: func(e *env, in *ucli.Context) error { return e.rotate(in.Context, in) },
	}
}

func (e *env) rotate(ctx context.Context, in *ucli.Context) error {
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	root, err := o.keys.root(o.home)
	if err != nil {
		return err
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return faultf("%w", err).with(hintBrokers(filepath.Join(o.home, brokersFile)))
	}
	defer c.Close()
	r := rotation{e: e, c: c, o: o, root: root, carried: map[identity.ID]identity.NodeIdentity{}}
	if err := r.agree(ctx, in); err != nil {
		return err
	}
	return r.run(ctx)
}

// rotation is one replacement of the shared keys.
type rotation struct {
	e    *env
	c    *client.Client
	o    connection
	root []identity.RootSigner

	carried map[identity.ID]identity.NodeIdentity
	keys    identity.Keys
	issuer  identity.Issuer
	gossip  []byte
	version uint64 // of the documents handed in last
	forced  bool   // the roster names the keys
}

// agree shows who would be carried over and asks.
func (r *rotation) agree(ctx context.Context, in *ucli.Context) error {
	live, silent, err := r.ask(ctx)
	if err != nil {
		return err
	}
	if len(live) == 0 {
		return faultf("no host answered, so no host would get the new keys")
	}
	peers := 0
	for _, o := range live {
		r.carried[o.Node] = o.Identity
		if o.Identity.Role == identity.Peer {
			peers++
		}
		fmt.Fprintf(r.e.stderr, "  %s  %-9s %s\n", o.Node, o.Identity.Role, report.Sanitise(o.Name))
	}
	if peers == 0 {
		return faultf("no peer answered, so no host could issue certificates with the new key")
	}
	for _, o := range silent {
		r.e.note("%s does not answer and is left out: %s", report.Sanitise(o.Name), report.Sanitise(o.Message))
	}
	return r.e.sure(ctx, in, fmt.Sprintf("give new keys to these %s, including %d peers, and shut out all others", hosts(len(live)), peers))
}

func (r *rotation) run(ctx context.Context) (err error) {
	now := time.Now()
	if r.issuer, err = identity.NewIssuer(r.c.Authority().Anchor(), now); err != nil {
		return err
	}
	r.gossip = make([]byte, 32)
	rand.Read(r.gossip)
	since := uint64(now.UnixMilli())
	r.keys = identity.Keys{Issuing: r.issuer.Key.Public().ID(), Gossip: identity.GossipID(r.gossip), Since: since}
	if err := r.handIn(ctx); err != nil {
		return err
	}
	counts := func(o client.Outcome, what string) bool {
		x, _ := report.Read[answers.Statistics](&o)
		return x.Stats[what] >= int64(since)
	}
	has := func(o client.Outcome) bool { return counts(o, "rotation") }
	if err := r.until(ctx, "have the new keys", has); err != nil {
		return err
	}
	if err := r.force(ctx, true); err != nil {
		return err
	}
	renewed := func(o client.Outcome) bool { return has(o) && counts(o, "certified") }
	if err := r.until(ctx, "have new certificates", renewed); err != nil {
		return err
	}
	if err := r.force(ctx, false); err != nil {
		return err
	}
	if err := r.until(ctx, "use only the new keys", renewed); err != nil {
		return err
	}
	r.e.note("the old keys are no longer accepted; to bring back a host that was down: fleet token create, then on the host: fleet node --join @FILE")
	return nil
}

// handIn seals the new keys to all that are carried over and gives the documents to the fleet.
func (r *rotation) handIn(ctx context.Context) error {
	r.version = max(r.version+1, uint64(time.Now().UnixMilli()))
	secrets := identity.Secrets{Gossip: r.gossip, Issuing: r.issuer.Key.Secret()}
	part := 0
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(r.carried)), identity.MaxRotated) {
		doc := identity.Rotation{Version: r.version, Part: part, Keys: r.keys, Issuing: r.issuer.Certificate}
		for _, id := range ids {
			if err := doc.SealTo(r.carried[id], secrets); err != nil {
				return faultf("seal the new keys: %w", err)
			}
		}
		signed, err := identity.SignRotation(identity.Quorum{Authority: r.c.Authority(), Holders: r.root}, doc, time.Now())
		if err != nil {
			return faultf("%w", err)
		}
		if err := r.c.PutDocument(ctx, signed); err != nil {
			return faultf("%w", err)
		}
		part++
	}
	return nil
}

// force makes the roster name the keys, and for a time those that they replace beside them.
func (r *rotation) force(ctx context.Context, overlap bool) error {
	_, err := r.e.editRoster(ctx, r.o, func(roster *identity.Roster) error {
		if roster.Keys.Since > r.keys.Since || r.forced && roster.Keys.Since != r.keys.Since {
			return faultf("another rotation has started and its keys are in force; this one was stopped").with("when the other one has finished, check the fleet: fleet status")
		}
		next := r.keys
		if before := roster.Keys; overlap && before.Since == next.Since {
			next.Older = before.Older
		} else if overlap {
			next.Older = append([]identity.ID{before.Issuing}, before.Older...)
		}
		roster.Keys = next
		return nil
	})
	r.forced = err == nil
	return err
}

// until asks all hosts until each that was carried over and is still there is as it should be.
func (r *rotation) until(ctx context.Context, what string, done func(client.Outcome) bool) error {
	for start := time.Now(); ; {
		live, _, err := r.ask(ctx)
		if err != nil && ctx.Err() != nil {
			return &problem{ending: endInterrupted, err: errors.New("interrupted; the rotation is not complete; run it again: fleet rotate")}
		}
		var waiting, ready []string
		for _, o := range live {
			_, carried := r.carried[o.Node]
			if carried && !done(o) {
				waiting = append(waiting, report.Sanitise(o.Name))
			} else if carried {
				ready = append(ready, o.Name)
			}
		}
		if err == nil && len(waiting) == 0 && len(ready) > 0 {
			r.e.note("%s %s", hosts(len(ready)), what)
			return nil
		}
		if time.Since(start) >= rotatePatience {
			return (&problem{ending: endSilent, err: fmt.Errorf("not all hosts %s after %s: %s", what, rotatePatience, strings.Join(waiting, ", "))}).
				with("nothing is lost; run fleet rotate again, or revoke the hosts that cannot be reached: fleet node revoke")
		}
		wait.For(ctx, 500*time.Millisecond) // when ctx ends, ask says so
	}
}

// ask returns the hosts that answer and those that do not.
func (r *rotation) ask(ctx context.Context) (live, silent []client.Outcome, err error) {
	run, err := r.c.Run(ctx, client.Request{Plugin: selfPlugin, Action: "daemon_stats", Timeout: 5 * time.Second}, nil)
	for _, o := range run.Outcomes {
		switch o.State {
		case job.OK:
			live = append(live, o)
		default:
			silent = append(silent, o)
		}
	}
	if err != nil {
		err = faultf("%w", err)
	}
	return live, silent, err
}
