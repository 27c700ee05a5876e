package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
)

// A change of what the root signs is done when the hosts have it. One broker's word does not say so: it may be the one that the
// change is against.

const (
	// otherBrokers is how long the brokers beside the one that this command is connected to are waited for.
	otherBrokers = 2 * time.Second
	// inForceTime is how long hosts may take to fetch what they lack, and to answer.
	inForceTime = 10 * time.Second
	// inForceTries is how often hosts are asked that answer that they lack it, inForcePause apart.
	inForceTries = 3
	inForcePause = time.Second
)

// handIn gives a signed document to the broker that this command is connected to, and to all others that it knows of. It returns what
// the first one says.
func (x rosterEdit) handIn(ctx context.Context, signed []byte) error {
	limited, cancel := context.WithTimeout(ctx, otherBrokers)
	defer cancel()
	var others sync.WaitGroup
	if len(x.config.Brokers) > 1 {
		for _, b := range x.config.Brokers {
			others.Go(func() {
				one := x.config
				one.Brokers, one.Seen, one.Keep = []string{b}, nil, nil
				c, err := client.Connect(limited, one)
				if err != nil {
					return // it is down, or revoked; whether all hosts have the document is asked later
				}
				defer c.Close()
				c.PutDocument(limited, signed)
			})
		}
	}
	err := x.c.PutDocument(ctx, signed)
	others.Wait()
	return err
}

// spread makes sure that all hosts have a version of the roster that was handed in.
func (e *env) spread(ctx context.Context, o connection, r identity.Roster) error {
	config, err := o.config()
	if err != nil {
		return err
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return faultf("%w", err)
	}
	defer c.Close()
	return rosterEdit{e: e, o: o, c: c, config: config}.inForce(ctx, fmt.Sprintf("roster version %d", r.Version), nil)
}

// inForce asks all hosts, each of which answers for itself, whether they go by the newest roster that is known here, and by a signed
// document besides, unless it is nil. A host that lacks it fetches it first. Hosts that do not have it in the end are an error
// that names them.
func (x rosterEdit) inForce(ctx context.Context, what string, signed []byte) error {
	request := client.Request{Plugin: selfPlugin, Action: actionPing, Timeout: inForceTime, ShutOut: x.shutOut}
	for try := 1; ; try++ {
		var err error
		if request.Needs, err = x.needs(signed); err != nil {
			return err
		}
		run, err := x.c.Run(ctx, request, nil)
		if err != nil {
			return faultf("%s was handed in, but the hosts could not be asked whether they have it: %w", what, err).with("to see it: fleet status")
		}
		without, again := lacking(run.Outcomes)
		if len(without) == 0 {
			x.e.note("%s is in force on %s", what, allHosts(len(run.Outcomes)))
			return nil
		}
		if !again || try == inForceTries || wait.For(ctx, inForcePause) != nil {
			return (&problem{ending: endSilent, err: fmt.Errorf("%s is not known to be in force on %d of %s:\n  %s",
				what, len(without), hosts(len(run.Outcomes)), strings.Join(without, "\n  "))}).
				with("hosts that were down or cut off get it when they are back; to look again: fleet status",
					"do not rely on it until then: a host that stays behind may be held back by its broker; see fleet doctor there")
		}
	}
}

// needs names a signed document, or what hosts have instead of it.
func (x rosterEdit) needs(signed []byte) ([]job.WantedDocument, error) {
	if signed == nil {
		return nil, nil
	}
	signed = x.c.Instead(signed)
	d, err := identity.VerifyDocument(x.c.Authority(), nil, signed, time.Now())
	if err != nil {
		return nil, faultf("%w", err)
	}
	hash := identity.HashOf(signed)
	return []job.WantedDocument{{Kind: d.Kind, Name: d.Name, Version: d.Version, Hash: hash[:]}}, nil
}

// lacking words who does not have what a job needed, and whether asking again may help. A host that refuses the job for another
// reason has it: that is looked at first.
func lacking(outcomes []client.Outcome) (without []string, again bool) {
	for _, o := range outcomes {
		switch {
		case o.State == job.Denied && o.Reason == job.ReasonRoster || o.State == job.NoRoom:
			again = true
		case o.State == job.Silent || o.State == job.Lost:
		default:
			continue
		}
		without = append(without, report.Sanitise(fmt.Sprintf("%s: %s", o.Name, o.Message)))
	}
	return without, again
}

func allHosts(n int) string {
	if n == 1 {
		return "the only host"
	}
	return "all " + hosts(n)
}
