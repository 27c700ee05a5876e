package node_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/plugin"
)

// wire is an admin with a bare connection, who can send the same bytes as often as she likes.
type wire struct {
	t          *testing.T
	f          *fleettest.Fleet
	nc         *nats.Conn
	replies    *nats.Subscription
	statements *identity.Verifier
	seal       identity.SealKey // all jobs have the same, as nobody else should do it
}

func newWire(t *testing.T, f *fleettest.Fleet) *wire {
	t.Helper()
	tls, err := identity.AdminTLS(f.Root.Anchor(), f.Admin, func() identity.Roster { return f.Roster })
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("tls://"+f.Broker(), nats.Secure(tls), nats.TLSHandshakeFirst(), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	w := &wire{t: t, f: f, nc: nc, statements: identity.NewVerifier(f.Root.Anchor()), seal: identity.NewSealKey()}
	w.replies, err = nc.SubscribeSync(job.RepliesSubject(f.Admin.Public().ID(), "*"))
	if err := errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wire) sign(action string, change func(*job.Job)) []byte {
	w.t.Helper()
	now := time.Now()
	j := job.Job{ID: job.NewID(now), Fleet: w.f.Root.Anchor().ID(), Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(),
		Mode: job.Run, SealTo: w.seal.Public()}
	if change != nil {
		change(&j)
	}
	signed, err := w.f.As(j, "probe", action, nil).Sign(w.f.Admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

func (w *wire) send(signed []byte) {
	w.t.Helper()
	if err := errors.Join(w.nc.Publish(job.AllSubject, signed), w.nc.Flush()); err != nil {
		w.t.Fatal(err)
	}
}

// open opens a reply to this job; false is one to another job.
func (w *wire) open(signed []byte, m *nats.Msg) (job.Verified, bool) {
	w.t.Helper()
	hash := job.HashOf(signed)
	plain, err := job.UnsealReply(w.seal, hash, m.Data)
	if err != nil {
		return job.Verified{}, false
	}
	v, err := job.OpenReply(w.statements, func() (identity.Roster, error) { return w.f.Roster, nil }, hash, plain)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return v, true
}

// next is the next reply to this job.
func (w *wire) next(signed []byte) job.Verified {
	w.t.Helper()
	for {
		m, err := w.replies.NextMsg(patience)
		if err != nil {
			w.t.Fatal(err)
		}
		if v, ok := w.open(signed, m); ok {
			return v
		}
	}
}

// end is the next reply that is an end.
func (w *wire) end(signed []byte) job.Verified {
	w.t.Helper()
	for {
		if v := w.next(signed); v.End() {
			return v
		}
	}
}

// The same bytes again and again: a change runs once, and each copy is answered with what the first one did.
func TestAChangeRunsOnce(t *testing.T) {
	p := &probe{}
	f, _ := one(t, p)
	w := newWire(t, f)
	signed := w.sign("count", nil)
	w.send(signed)
	first := w.end(signed)
	for range 3 {
		w.send(signed)
		if again := w.end(signed); again.State != job.OK || again.Message != "done" || again.Time != first.Time {
			t.Errorf("a copy was answered %+v", again.Reply)
		}
	}
	f.First().Stop()
	f.First().Start()
	seal := w.seal
	w = newWire(t, f)
	w.seal = seal
	w.send(signed)
	if again := w.end(signed); again.State != job.OK || again.Time != first.Time {
		t.Errorf("after a restart a copy was answered %+v", again.Reply)
	}
	if n := runs(t, p.dir, "web1"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// Copies that come at the same moment, as by two subjects or by redelivery: one runs, and none is told that it was lost or
// refused.
func TestCopiesAtTheSameMoment(t *testing.T) {
	p := &probe{state: plugin.OK, message: "told"}
	f, _ := one(t, p)
	w := newWire(t, f)
	for _, action := range []string{"count", "tell"} {
		for range 30 {
			signed := w.sign(action, nil)
			const copies = 8
			for range copies {
				if err := w.nc.Publish(job.AllSubject, signed); err != nil {
					t.Fatal(err)
				}
			}
			for ends := 0; ends == 0; {
				v := w.next(signed)
				if v.End() {
					ends++
				}
				if v.End() && v.State != job.OK {
					t.Fatalf("%s: a copy was answered %+v", action, v.Reply)
				}
			}
			// The other copies say accepted or the end, until a question sent after them is answered.
			last := w.sign("tell", nil)
			w.send(last)
			for {
				m, err := w.replies.NextMsg(patience)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := w.open(last, m); ok {
					break
				}
				if v, ok := w.open(signed, m); ok && v.End() && v.State != job.OK {
					t.Fatalf("%s: a copy was answered %+v", action, v.Reply)
				}
			}
		}
	}
	if n := runs(t, p.dir, "web1"); n != 30 {
		t.Errorf("30 changes ran %d times", n)
	}
}

// A copy that comes too late is told how the job stands that came in time, and not that it has expired.
func TestAnExpiredCopyOfARunningChange(t *testing.T) {
	p := &probe{began: make(chan struct{}, 9), release: make(chan struct{})}
	f, _ := one(t, p)
	w := newWire(t, f)
	var expires int64
	signed := w.sign("hold", func(j *job.Job) { expires = j.Issued + 500; j.Expires = expires })
	w.send(signed)
	<-p.began
	for late := false; !late; {
		late = time.Now().UnixMilli() > expires
		w.send(signed)
		if v := w.next(signed); v.Kind != job.Accepted {
			t.Fatalf("%s %s %s %s", v.Kind, v.State, v.Reason, v.Message)
		}
	}
	close(p.release)
	for {
		if v := w.end(signed); v.Kind == job.Result {
			if v.State != job.OK {
				t.Errorf("%+v", v.Reply)
			}
			break
		}
	}
	if n := runs(t, p.dir, "web1"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// An id that another job had is refused, and nobody is told what the other job's answer was.
func TestAnIDIsUsedOnce(t *testing.T) {
	p := &probe{state: plugin.OK, message: "a secret"}
	f, _ := one(t, p)
	w := newWire(t, f)
	for _, action := range []string{"count", "tell"} {
		first := w.sign(action, nil)
		u, err := job.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		w.send(first)
		w.end(first)
		second := w.sign(action, func(j *job.Job) { j.ID = u.ID(); j.Expires++ })
		w.send(second)
		if v := w.end(second); v.Kind != job.Refused || v.Reason != job.ReasonSeen {
			t.Errorf("%s: %+v", action, v.Reply)
		}
	}
}

// A question that comes again after a restart has lost its answer: the host is not one that refuses.
func TestAReadThatANodeForgotIsLost(t *testing.T) {
	p := &probe{state: plugin.OK}
	f, _ := one(t, p)
	w := newWire(t, f)
	signed := w.sign("tell", nil)
	w.send(signed)
	if v := w.end(signed); v.State != job.OK {
		t.Fatalf("%+v", v.Reply)
	}
	f.First().Stop()
	f.First().Start()
	seal := w.seal
	w = newWire(t, f)
	w.seal = seal
	w.send(signed)
	if v := w.end(signed); v.Kind != job.Result || v.State != job.Lost {
		t.Errorf("%+v", v.Reply)
	}
}

// A node that is told to stop lets a change end, and says how it ended.
func TestAChangeIsWaitedForWhenTheNodeStops(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	f := fleettest.New(t)
	dir := t.TempDir()
	f.Plugin = func(name string) []plugin.Plugin {
		q := *p
		q.name, q.dir = name, dir
		return []plugin.Plugin{&q}
	}
	f.First().Start()
	c := f.Client()
	web2 := f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
	w := newWire(t, f)
	members, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signed := w.sign("hold", func(j *job.Job) {
		for _, m := range members {
			if m.Name == "web2" {
				j.Targets = []identity.ID{m.Node}
			}
		}
	})
	w.send(signed)
	<-p.began
	stopped := make(chan struct{})
	go func() { web2.Stop(); close(stopped) }()
	// While it stops it hears nothing new: a question stays without an answer from it.
	quiet(t, c)
	close(p.release)
	<-stopped
	for {
		if v := w.end(signed); v.Kind == job.Result {
			if v.State != job.OK || v.Node.Name != "web2" {
				t.Errorf("%s: %+v", v.Node.Name, v.Reply)
			}
			break
		}
	}
	web2.Start()
	w.send(signed)
	for {
		if v := w.end(signed); v.Node.Name == "web2" {
			if v.State != job.OK {
				t.Errorf("%+v", v.Reply)
			}
			break
		}
	}
	if n := runs(t, dir, "web2"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// quiet returns when only the first host answers questions.
func quiet(t *testing.T, c *client.Client) {
	t.Helper()
	for {
		run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: 500 * time.Millisecond}, nil)
		if err != nil {
			t.Fatal(err)
		}
		answered := 0
		for _, o := range run.Outcomes {
			if o.State == job.OK {
				answered++
			}
		}
		if answered == 1 {
			return
		}
	}
}

// A read that takes its time says at once that it was accepted, so that nobody sends it again.
func TestASlowReadIsAccepted(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	f, _ := one(t, p)
	w := newWire(t, f)
	signed := w.sign("wait", nil)
	w.send(signed)
	if v := w.next(signed); v.Kind != job.Accepted {
		t.Errorf("%+v", v.Reply)
	}
	close(p.release)
	if v := w.next(signed); v.Kind != job.Result || v.State != job.OK {
		t.Errorf("%+v", v.Reply)
	}
}

// A node may be told to stop at any moment: under load it neither falls over nor says that a job is lost that is not.
func TestStoppingUnderLoad(t *testing.T) {
	p := &probe{state: plugin.OK}
	f, _ := one(t, p)
	w := newWire(t, f)
	stopped := make(chan struct{})
	var sent [][]byte
	for i := range 200 {
		action := "tell"
		if i%4 == 0 {
			action = "count"
		}
		signed := w.sign(action, nil)
		sent = append(sent, signed)
		w.nc.Publish(job.AllSubject, signed)
		if i == 50 {
			go func() { f.First().Stop(); close(stopped) }()
		}
	}
	<-stopped
	f.First().Start()
	seal := w.seal
	w = newWire(t, f)
	w.seal = seal
	for i := 0; i < len(sent); i += 4 { // the changes
		w.send(sent[i])
		if v := w.end(sent[i]); v.State != job.OK {
			t.Errorf("%+v", v.Reply)
		}
	}
	if n, want := runs(t, p.dir, "web1"), len(sent)/4; n != want {
		t.Errorf("%d changes ran %d times", want, n)
	}
}
