package client_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

func TestEveryHostEndsInExactlyOneState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[string]job.State{
		"ok": job.OK, "unchanged": job.Unchanged, "skipped": job.Skipped, "failed": job.Failed, "timed-out": job.TimedOut,
		"cut-off": job.Lost, "refused": job.Denied, "accepts-first": job.OK, "says-it-twice": job.OK,
		"dead": job.Silent, "hangs": job.Silent, "accepts-only": job.Lost, "dies-in-it": job.Lost,
	}
	for name, state := range want {
		switch name {
		case "refused":
			w.host(name, func(a asked) {
				a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Refused, State: job.Denied, Reason: job.ReasonPolicy, Message: "not you"}))
			})
		case "accepts-first":
			w.host(name, func(a asked) { a.reply(job.Accepted, ""); a.reply(job.Result, job.OK); a.reply(job.Accepted, "") })
		case "says-it-twice":
			w.host(name, func(a asked) { ok(a); ok(a); a.reply(job.Accepted, "") })
		case "accepts-only":
			w.host(name, func(a asked) { a.reply(job.Accepted, "") })
		case "dies-in-it":
			h := w.host(name, func(a asked) { a.reply(job.Accepted, "") })
			w.is(h.id(), name, job.MemberFailed)
		case "cut-off":
			w.host(name, func(a asked) {
				a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Result, State: job.Lost, Message: "the node ended before the action did"}))
			})
		case "hangs":
			w.host(name, silent)
		case "dead":
			w.is(identity.NewKey[identity.Node]().Public().ID(), name, job.MemberFailed)
		default:
			w.host(name, func(a asked) { a.reply(job.Result, state) })
		}
	}
	w.host("elsewhere", func(a asked) { a.reply(job.NoMatch, "") })
	w.is(identity.NewKey[identity.Node]().Public().ID(), "left", job.Left)

	r := request()
	r.Timeout = 3 * time.Second // for those that hang
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(run); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if run.NoMatch != 1 || run.Expected != len(want)+1 || run.Rejected != 0 {
		t.Errorf("no match %d, expected %d, rejected %d", run.NoMatch, run.Expected, run.Rejected)
	}
	if o := outcome(t, run, "refused"); o.Reason != job.ReasonPolicy || o.Message != "not you" {
		t.Errorf("%+v", o)
	}
	for name, part := range map[string]string{
		"dead": "last seen", "hangs": "alive in the mesh, but no answer", "accepts-only": "accepted the job, but sent no result: alive",
		"dies-in-it": "accepted the job, but sent no result: failed",
	} {
		if o := outcome(t, run, name); !strings.Contains(o.Message, part) {
			t.Errorf("%s: %q lacks %q", name, o.Message, part)
		}
	}
}

// A host that fails while the run waits for it is not waited for any longer.
func TestAHostThatFailsMeanwhileIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, kind := range []job.Kind{"", job.Accepted} {
		t.Run("after "+string(kind), func(t *testing.T) {
			w := newWorld(t)
			w.host("web1", ok)
			w.host("web2", func(a asked) {
				if kind != "" && a.copy == 1 {
					a.reply(kind, "")
					return // and fails later, when this has been heard for sure
				}
				w.is(a.id(), a.name, job.MemberFailed)
			})
			run, err := w.run(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			want := map[job.Kind]job.State{"": job.Silent, job.Accepted: job.Lost}[kind]
			if s := states(run); s["web1"] != job.OK || s["web2"] != want {
				t.Errorf("%v", s)
			}
		})
	}
}

// One that the brokers have forgotten is not waited for, one that has left not for long, and both are still told of when in the plan.
func TestTargetsThatAreGoneAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var plan []client.Target
	for name, happens := range map[string]func(asked){
		"stays": ok, "forgotten": func(a asked) { w.forget(a.id()) }, "leaves": func(a asked) { w.is(a.id(), a.name, job.Left) },
		"changes": func(a asked) { a.reply(job.NoMatch, "") },
	} {
		h := w.host(name, happens)
		plan = append(plan, client.Target{Node: h.id(), Name: name})
	}
	w.host("bystander", func(a asked) { t.Error("a host that is not in the plan was asked") })
	r := request()
	r.Targets = plan
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]job.State{"stays": job.OK, "forgotten": job.Silent, "leaves": job.Silent, "changes": job.Skipped}
	if got := states(run); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for name, part := range map[string]string{"forgotten": "no longer know it", "leaves": "left the fleet", "changes": "no longer matches the filter"} {
		if o := outcome(t, run, name); !strings.Contains(o.Message, part) {
			t.Errorf("%s: %q", name, o.Message)
		}
	}
}

// Whoever is not in the plan cannot put itself into the run.
func TestAnswersOfOthersThanThePlanCountForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := []client.Target{}
	meddler := w.host("meddler", func(asked) { t.Error("was asked") })
	target := w.host("target", func(a asked) {
		if a.copy > 1 { // the meddler's answer has been looked at by now
			ok(a)
			return
		}
		a.host = meddler // who heard of the job
		a.reply(job.Result, job.Failed)
	})
	plan = append(plan, client.Target{Node: target.id(), Name: "target"})
	for _, f := range []func(*client.Request){
		func(r *client.Request) { r.Targets = plan },
		func(r *client.Request) { r.Filter = named(t, "target") },
	} {
		r := request()
		f(&r)
		run, err := w.run(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if s := states(run); len(s) != 1 || s["target"] != job.OK || run.Rejected != 1 || run.Expected != 1 {
			t.Errorf("%v, rejected %d, expected %d", s, run.Rejected, run.Expected)
		}
	}
}

func TestForgedRepliesCountForNothing(t *testing.T) {
	t.Parallel()
	w, foreign := newWorld(t), newWorld(t)
	stranger := foreign.credentials("victim", identity.Member)
	w.host("victim", func(a asked) {
		if a.copy > 1 { // all that was forged has been looked at by now
			ok(a)
		}
	})
	w.host("forger", func(a asked) {
		if a.copy > 1 {
			ok(a)
			return
		}
		result := job.Reply{Job: a.hash, Kind: job.Result, State: job.Failed}
		victim := *a.host
		victim.creds = stranger
		a.send(victim.sign(result)) // the victim's name, in another fleet
		stolen := *a.host
		stolen.creds = identity.Credentials{Key: identity.NewKey[identity.Node](), Statement: a.creds.Statement}
		a.send(stolen.sign(result)) // a certificate without its key
		other := result
		other.Job = job.HashOf([]byte("another job"))
		a.send(a.sign(other)) // a true reply, to another job
		a.send([]byte("nonsense"))
		a.send(nil)
		a.send(make([]byte, job.MaxReply+1))
	})
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); len(s) != 2 || s["forger"] != job.OK || s["victim"] != job.OK || run.Rejected != 6 {
		t.Errorf("%v, rejected %d", s, run.Rejected)
	}
}

func TestNamesThatNoHostHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	w.host("web2", func(a asked) { t.Error("was asked") })
	w.is(identity.NewKey[identity.Node]().Public().ID(), "gone", job.Left)
	r := request()
	r.Filter = named(t, "web1", "nosuch", "gone", "Web2")
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]job.State{"web1": job.OK, "nosuch": job.Silent, "gone": job.Silent, "Web2": job.Silent}
	if got := states(run); !maps.Equal(got, want) || run.Expected != 4 {
		t.Errorf("got %v of %d", got, run.Expected)
	}
	if o := outcome(t, run, "nosuch"); !strings.Contains(o.Message, "no host with this name") || strings.Contains(o.Message, "mean") {
		t.Errorf("%q", o.Message)
	}
	if o := outcome(t, run, "Web2"); o.Message != "the fleet has no host with this name; did you mean web2?" {
		t.Errorf("%q", o.Message)
	}
}

// A host that misses the job at first gets it again.
func TestTheJobIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	w.host("late", func(a asked) {
		if a.copy > 1 {
			ok(a)
		}
	})
	run, err := w.run(t.Context(), request())
	if s := states(run); err != nil || s["late"] != job.OK || s["web1"] != job.OK {
		t.Errorf("%v, %v", s, err)
	}
}

// A host whose answers got lost on the way has the end and is asked for it.
func TestAnEndThatGotLostIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) {
		if a.copy == 1 {
			a.reply(job.Accepted, "") // and the end goes down with a broker
			return
		}
		ok(a)
	})
	run, err := w.run(t.Context(), request())
	if s := states(run); err != nil || s["web1"] != job.OK {
		t.Errorf("%v, %v", s, err)
	}
}

// A job is asked after also when its time is over: the end of a long action may have got lost, and who never got it says so.
func TestAJobIsAskedAfterWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("long", func(a asked) {
		switch {
		case a.copy == 1:
			a.reply(job.Accepted, "")
		case time.Now().After(a.job.ExpiresAt()):
			ok(a) // kept in its journal
		}
	})
	w.host("late", func(a asked) {
		if time.Now().After(a.job.ExpiresAt()) {
			a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Refused, State: job.Denied, Reason: job.ReasonExpired}))
		}
	})
	r := request()
	r.TTL = 1500 * time.Millisecond
	run, err := w.run(t.Context(), r)
	if s := states(run); err != nil || s["long"] != job.OK || s["late"] != job.Denied {
		t.Errorf("%v, %v", s, err)
	}
}

// A host that has no room is asked again, with the same bytes, until it has some or the job's time is over. What it says about its
// room counts for nothing once it has accepted.
func TestABusyHostIsAskedAgain(t *testing.T) {
	t.Parallel()
	busy := func(a asked) {
		a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Busy, Message: "64 changes are under way"}))
	}
	for name, c := range map[string]struct {
		ttl, timeout time.Duration
		answer       func(asked)
		state        job.State
		message      string
	}{
		"until it has room": {time.Minute, patience, func(a asked) {
			busy(a)
			if a.copy == 3 {
				ok(a)
			}
		}, job.OK, ""},
		"until the job's time is over": {1500 * time.Millisecond, patience, func(a asked) {
			if busy(a); time.Now().After(a.job.ExpiresAt()) {
				a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Refused, State: job.Denied, Reason: job.ReasonExpired}))
			}
		}, job.NoRoom, "64 changes are under way; the job's time is over, and it has not begun"},
		"as long as the run waits": {time.Minute, 1500 * time.Millisecond, busy, job.NoRoom, "64 changes are under way; it was not running when asked last"},
		"and it accepted before": {time.Minute, 1500 * time.Millisecond, func(a asked) {
			a.reply(job.Accepted, "")
			busy(a)
		}, job.Lost, "accepted the job"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.host("web1", c.answer)
			r := request()
			r.TTL, r.Timeout = c.ttl, c.timeout
			run, err := w.run(t.Context(), r)
			if err != nil || len(run.Outcomes) != 1 || run.Rejected > 0 {
				t.Fatalf("%v %+v", err, run)
			}
			if o := run.Outcomes[0]; o.State != c.state || !strings.Contains(o.Message, c.message) || o.Reason != "" {
				t.Errorf("%s %q %q", o.State, o.Reason, o.Message)
			}
		})
	}
}

func TestAnInterruptedRunTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	w.host("web1", ok)
	w.host("web2", func(a asked) { a.reply(job.Accepted, "") })
	w.host("web3", silent)
	done := 0
	var members bool
	run, err := w.client().Run(ctx, request(), func(p client.Progress) {
		members = members || p.Total == 3
		if p.Last != nil {
			done++
		}
		if members && done == 1 {
			cancel(errors.New("ctrl-c"))
		}
	})
	if !errors.Is(err, context.Canceled) || run.JobID == "" {
		t.Fatalf("%+v, %v", run, err)
	}
	s := states(run)
	if s["web1"] != job.OK || s["web3"] != job.Silent || s["web2"] != job.Lost && s["web2"] != job.Silent {
		t.Errorf("%v", s)
	}
	if o := outcome(t, run, "web3"); !strings.Contains(o.Message, "interrupted") {
		t.Errorf("%q", o.Message)
	}
}

func TestAPlanSaysWhoWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	match := func(a asked) {
		if a.job.Mode != job.Match {
			t.Errorf("a plan ran %q", a.job.Mode)
		}
		ok(a)
	}
	w.host("b", match)
	w.host("a", match)
	w.host("elsewhere", func(a asked) { a.reply(job.NoMatch, "") })
	w.host("refuses", func(a asked) {
		a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Refused, State: job.Denied, Reason: job.ReasonAction}))
	})
	w.is(identity.NewKey[identity.Node]().Public().ID(), "dead", job.MemberFailed)
	p, err := w.client().Plan(t.Context(), request(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Targets) != 2 || p.Targets[0].Name != "a" || p.Targets[1].Name != "b" || len(p.Refused) != 1 || p.Refused[0].Name != "refuses" ||
		len(p.Silent) != 1 || p.Silent[0].Name != "dead" || p.Fleet != 5 {
		t.Errorf("%+v", p)
	}
}

// A plan of nobody must not become a job for everybody.
func TestAPlanOfNobodyIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) { t.Error("was asked") })
	r := request()
	r.Targets = []client.Target{}
	if _, err := w.client().Run(t.Context(), r, nil); err == nil {
		t.Error("it was sent")
	}
}

func TestManyTargetsAreAskedWithOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request()
	for range 101 {
		r.Targets = append(r.Targets, client.Target{Node: identity.NewKey[identity.Node]().Public().ID(), Name: "far"})
	}
	h := w.host("web1", func(a asked) {
		if len(a.job.Targets) != 102 {
			t.Errorf("the job lists %d targets", len(a.job.Targets))
		}
		ok(a)
	})
	w.host("web2", func(a asked) { a.reply(job.NoMatch, "") }) // hears it, and sees that it is not meant
	r.Targets = append(r.Targets, client.Target{Node: h.id(), Name: "web1"})
	run, err := w.client().Run(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if outcome(t, run, "web1").State != job.OK || len(run.Outcomes) != 102 || run.Expected != 102 || run.NoMatch != 0 {
		t.Errorf("%d outcomes, %d expected, %d do not match", len(run.Outcomes), run.Expected, run.NoMatch)
	}
}

// Without membership it is not known who should answer: that is an error and not an empty success.
func TestNobodySaysWhoIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mute.Store(true)
	h := w.host("web1", ok)
	run, err := w.client().Run(t.Context(), request(), nil)
	if err == nil || !strings.Contains(err.Error(), "no broker returned the member list") {
		t.Errorf("%v", err)
	}
	if outcome(t, run, "web1").State != job.OK {
		t.Errorf("what was answered is lost: %+v", run)
	}
	// A plan knows whom it asked.
	r := request()
	r.Targets = []client.Target{{Node: h.id(), Name: "web1"}}
	run, err = w.run(t.Context(), r)
	if err != nil || outcome(t, run, "web1").State != job.OK {
		t.Errorf("%+v, %v", run, err)
	}
}

// Nor does a plan give up on a slow host because nobody says who is there.
func TestAPlanWaitsWithoutMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mute.Store(true)
	h := w.host("web1", func(a asked) {
		if a.copy == 9 { // later than the question who is there takes to fail
			ok(a)
		}
	})
	r := request()
	r.Targets = []client.Target{{Node: h.id(), Name: "web1"}}
	run, err := w.run(t.Context(), r)
	if err != nil || outcome(t, run, "web1").State != job.OK {
		t.Errorf("%+v, %v", run, err)
	}
}

// A host that answers is in the run, also if the brokers have not heard of it yet.
func TestAHostThatBrokersDoNotKnowYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.host("new", ok)
	w.forget(h.id())
	w.host("web1", func(a asked) {
		if a.copy > 1 {
			ok(a)
		}
	})
	run, err := w.run(t.Context(), request())
	if s := states(run); err != nil || len(s) != 2 || s["new"] != job.OK {
		t.Errorf("%v, %v", s, err)
	}
}

func TestConnectExplains(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	addr := w.broker.ClientAddr().String()
	for _, tt := range []struct {
		name   string
		change func(*client.Config)
		err    string
	}{
		{"no broker", func(c *client.Config) { c.Brokers = nil }, "no broker address is known"},
		{"nothing listens", func(c *client.Config) { c.Brokers = []string{"127.0.0.1:1"} }, "nothing is listening there"},
		{"another fleet", func(c *client.Config) { c.Root = other.root.Anchor() }, "not a broker of the fleet"},
		{"not created by an admin", func(c *client.Config) { c.Key = other.admin }, "does not contain this admin's key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf := client.Config{Root: w.root.Anchor(), Key: w.admin, Brokers: []string{addr}, Log: logNothing, Declared: declared}
			tt.change(&conf)
			c, err := client.Connect(t.Context(), conf)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := client.Connect(ctx, client.Config{Root: w.root.Anchor(), Key: w.admin, Brokers: []string{addr}, Log: logNothing, Declared: declared}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v, %v", c, err)
	}
}
