package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/plugins"
)

// dice is a fleet whose hosts end as dice fall. Each job may also fail on the way, before or after it was sent.
type dice struct {
	scene
	r       *rand.Rand
	n       int
	largest int                  // job
	want    map[string]job.State // how each host ended, by name; "": nothing was sent to it
	noMatch int
	cancel  context.CancelFunc

	mu        sync.Mutex // several portions are under way at once
	failed    error
	cancelled bool
}

func (d *dice) Plan(context.Context, client.Request, func(client.Progress)) (client.Plan, error) {
	p := client.Plan{Fleet: d.n}
	for i := range d.n {
		name := fmt.Sprint("web", i)
		switch x := d.r.Float64(); {
		case x < 0.7:
			p.Targets = append(p.Targets, client.Target{Node: identity.ID(name), Name: name})
			d.want[name] = ""
		case x < 0.8:
			p.Silent = append(p.Silent, client.Outcome{Node: identity.ID(name), Name: name, State: job.Silent, Message: "x"})
			d.want[name] = job.Silent
		case x < 0.82:
			p.Refused = append(p.Refused, client.Outcome{Node: identity.ID(name), Name: name, State: job.Denied, Reason: job.ReasonPolicy, Message: "x"})
			d.want[name] = job.Denied
		default:
			d.noMatch++
		}
	}
	return p, nil
}

func (d *dice) Run(ctx context.Context, r client.Request, _ func(client.Progress)) (client.Run, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.largest = max(d.largest, len(r.Targets))
	x := d.r.Float64()
	if x < 0.05 {
		d.failed = errors.New("not sent")
		return client.Run{}, d.failed
	}
	run := client.Run{JobID: fmt.Sprint("job", d.r.Int()), Expected: len(r.Targets)}
	states := []job.State{job.OK, job.Unchanged, job.Skipped, job.Failed, job.TimedOut, job.Lost, job.Silent, job.Denied}
	states = states[:1+d.r.IntN(len(states))]
	for _, t := range r.Targets {
		o := client.Outcome{Node: t.Node, Name: t.Name, State: states[d.r.IntN(len(states))], Message: "x"}
		d.want[t.Name] = o.State
		run.Outcomes = append(run.Outcomes, o)
	}
	if x < 0.1 {
		d.failed = errors.New("sent to some")
		return run, d.failed
	}
	if x < 0.15 {
		d.cancel()
		d.cancelled = true
	}
	return run, ctx.Err()
}

// However a change ends on each host, in however many portions: each host is told of once, the sum is the fleet, and the
// exit code is the worst.
func TestAChangeInPortionsAddsUp(t *testing.T) {
	for seed := range uint64(60) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := rand.New(rand.NewPCG(seed, 1))
		d := &dice{r: r, n: 1 + r.IntN([]int{9, 2500}[seed%2]), want: map[string]job.State{}, cancel: cancel}
		var out, errs bytes.Buffer
		code := run(ctx, &env{
			stdout: &out, stderr: &errs, getenv: homeless, declarations: plugins.BuiltinDeclarations(), patience: time.Minute,
			connect: func(context.Context, connection) (asker, error) { return d, nil }, seed: func() int64 { return 7 }, planID: func() string { return planID },
		}, []string{"fleet", "service", "nginx", "restart", "--all", "-j"})
		if out.Len() == 0 && d.failed != nil && code == 1 { // not even the first was sent
			continue
		}
		var doc struct {
			Hosts []struct {
				Host  string    `json:"host"`
				State job.State `json:"state"`
			} `json:"hosts"`
			NotStarted []string `json:"not_started"`
			NoMatch    int      `json:"not_matched"`
		}
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, out.String(), errs.String())
		}
		got := map[string]job.State{}
		for _, h := range doc.Hosts {
			if _, twice := got[h.Host]; twice {
				t.Errorf("seed %d: %s is told of twice", seed, h.Host)
			}
			got[h.Host] = h.State
		}
		for _, name := range doc.NotStarted {
			if _, twice := got[name]; twice {
				t.Errorf("seed %d: %s is told of twice", seed, name)
			}
			got[name] = ""
		}
		for name, want := range d.want {
			if state, told := got[name]; !told || state != want {
				t.Errorf("seed %d: %s ended %q and is told to be %q (%t)", seed, name, want, state, told)
			}
		}
		if len(got)+doc.NoMatch != d.n || doc.NoMatch != d.noMatch {
			t.Errorf("seed %d: %d hosts and %d that do not match are not the fleet of %d", seed, len(got), doc.NoMatch, d.n)
		}
		if d.largest > job.MaxTargets {
			t.Errorf("seed %d: a job for %d hosts", seed, d.largest)
		}
		checkCode(t, seed, code, d)
	}
}

func checkCode(t *testing.T, seed uint64, code int, d *dice) {
	t.Helper()
	count := map[job.State]int{}
	for _, s := range d.want {
		count[s]++
	}
	want := 0
	switch {
	case d.cancelled:
		want = 130
	case d.failed != nil:
		want = 1
	case count[job.Denied] > 0:
		want = 7
	case count[job.Failed]+count[job.TimedOut] > 0:
		want = 4
	case count[job.Silent]+count[job.Lost] > 0:
		want = 5
	case count[job.OK]+count[job.Unchanged] == 0:
		want = 3
	}
	if code != want {
		t.Errorf("seed %d: it ended with %d, want %d: %v, %v", seed, code, want, count, d.failed)
	}
}
