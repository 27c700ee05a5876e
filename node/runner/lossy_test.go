package runner_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

// A lossy world: the real client and real nodes (runner, gate, journal) on two real brokers, one on each side of a link that
// loses, delays, doubles and reorders. All of it lives in a bubble of fake time (testing/synctest). What a link does to a
// message depends on the seed, the host and how many came before it there, and on nothing else.

// maxLost is how many messages in a row a link loses at the most: what is sent for ever arrives.
const maxLost = 4

// lossyWorld is one seed.
type lossyWorld struct {
	t      *testing.T
	seed   uint64
	root   identity.Quorum
	issuer identity.Issuer
	admin  identity.PrivateKey[identity.Admin]
	roster identity.Roster
	near   *server.Server // the client's
	far    *server.Server // the hosts'
	in     *nats.Conn     // brings replies to the client
	hosts  []*lossyHost
	views  []lossyView
	work   sync.WaitGroup
	ending atomic.Bool // nobody dies or leaves any more

	mu     sync.Mutex
	counts map[string]int // messages so far, by link
	lost   map[string]int // in a row
	lists  [][]job.Member // that brokers gave
	taken  []takenList    // of those, what the client took
}

type takenList struct {
	at      time.Time
	members []job.Member
}

// lossyView is what one broker knows of who is there.
type lossyView struct {
	lag    time.Duration // how far behind
	blind  bool          // knows only the first host, as one that has just started with an empty disk
	before time.Duration // is blind for this long
}

func lossyBroker(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

func inProcess(t *testing.T, s *server.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// rand is the randomness for one purpose.
func (w *lossyWorld) rand(purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// fate is when the copies of the next message on a link arrive, from now; none: it is lost.
func (w *lossyWorld) fate(link string, loss float64) []time.Duration {
	w.mu.Lock()
	n := w.counts[link]
	w.counts[link]++
	w.mu.Unlock()
	r := w.rand(fmt.Sprint(link, n))
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Float64() < loss && w.lost[link] < maxLost {
		w.lost[link]++
		return nil
	}
	w.lost[link] = 0
	delay := func() time.Duration {
		switch x := r.Float64(); {
		case x < 0.6:
			return time.Duration(r.Int64N(int64(5 * time.Millisecond)))
		case x < 0.9:
			return time.Duration(r.Int64N(int64(300 * time.Millisecond)))
		}
		return time.Duration(r.Int64N(int64(4 * time.Second)))
	}
	when := []time.Duration{delay()}
	for r.Float64() < 0.15 {
		when = append(when, delay())
	}
	return when
}

func newLossyWorld(t *testing.T, seed uint64) *lossyWorld {
	t.Helper()
	w := &lossyWorld{t: t, seed: seed, root: identitytest.Root(), admin: identity.NewKey[identity.Admin](),
		near: lossyBroker(t), far: lossyBroker(t), counts: map[string]int{}, lost: map[string]int{}}
	var err error
	if w.issuer, err = identity.NewIssuer(w.root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.roster = identity.Roster{Version: 1, Fleet: "test", Keys: identity.Keys{Issuing: w.issuer.Key.Public().ID()}, Roles: []identity.RoleEntry{{Name: "all", Rules: []identity.Rule{{Action: "*.*"}}}},
		Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public(), Roles: []string{"all"}}}}
	doc, err := identity.SignRoster(w.root, w.roster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := w.rand("world")
	for i := range 3 + r.IntN(5) {
		w.hosts = append(w.hosts, newLossyHost(w, i))
	}
	for range 1 + r.IntN(3) {
		w.views = append(w.views, lossyView{lag: time.Duration(r.Int64N(int64(3 * time.Second))), blind: r.Float64() < 0.15,
			before: time.Duration(r.Int64N(int64(15 * time.Second)))})
	}

	w.in = inProcess(t, w.near)
	start := time.Now()
	documents, err := job.DocumentAnswer{Documents: [][]byte{w.root.Raw(), doc}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.serve(job.DocGetSubject, func(int) []byte { return documents })
	w.serve(job.MembersSubject, func(n int) []byte { return w.members(w.views[n%len(w.views)], time.Since(start)) })
	for _, subject := range []string{job.AllSubject, job.NodeSubject("*")} {
		w.subscribe(w.in, subject, w.carry)
	}
	w.subscribe(w.in, job.NodeProbeSubject("*"), w.carryProbe)
	w.subscribe(w.in, job.ProbeSubject, w.answerProbe)
	out := inProcess(t, w.far)
	w.subscribe(out, "fleet.reply.>", w.carryBack)
	t.Cleanup(func() {
		w.ending.Store(true)
		synctest.Wait()
		w.work.Wait()
		for _, h := range w.hosts {
			h.end()
		}
		out.Close()
		w.in.Close()
		for _, s := range []*server.Server{w.near, w.far} {
			s.Shutdown()
			s.WaitForShutdown()
		}
	})
	for _, h := range w.hosts {
		h.boot()
	}
	return w
}

func (w *lossyWorld) subscribe(nc *nats.Conn, subject string, f func(*nats.Msg)) {
	w.t.Helper()
	if _, err := nc.Subscribe(subject, f); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// serve answers questions of the client's, now and then too late or not at all.
func (w *lossyWorld) serve(subject string, answer func(n int) []byte) {
	n := 0
	w.subscribe(w.in, subject, func(m *nats.Msg) {
		n++
		for _, d := range w.fate(subject, 0.2) {
			raw := answer(n + w.rand(fmt.Sprint(subject, n)).IntN(3))
			time.AfterFunc(d, func() { w.in.Publish(m.Reply, raw) })
		}
	})
}

// carry brings a job to the hosts, to each in its own time.
func (w *lossyWorld) carry(m *nats.Msg) {
	for _, h := range w.hosts {
		if m.Subject != job.AllSubject && m.Subject != job.NodeSubject(h.id()) {
			continue
		}
		for _, d := range w.fate("to "+h.name, h.loss) {
			time.AfterFunc(d, func() { h.receive(m.Data) })
		}
	}
}

// carryProbe brings a probe to a host, which answers if it is up.
func (w *lossyWorld) carryProbe(m *nats.Msg) {
	for _, h := range w.hosts {
		if m.Subject != job.NodeProbeSubject(h.id()) {
			continue
		}
		for _, d := range w.fate("to "+h.name, h.loss) {
			time.AfterFunc(d, func() {
				if !h.isOff() {
					w.carryBack(&nats.Msg{Subject: job.ProbedSubject(h.id(), identity.ID(m.Data))})
				}
			})
		}
	}
}

// answerProbe says which hosts are up, now and then too late or not at all: a broker's node that reaches them.
func (w *lossyWorld) answerProbe(m *nats.Msg) {
	p, err := job.DecodeProbe(m.Data)
	if err != nil {
		w.t.Error(err)
	}
	var answer job.Probed
	for _, h := range w.hosts {
		switch {
		case !slices.Contains(p.Nodes, h.id()):
		case h.isOff():
			answer.Silent = append(answer.Silent, h.id())
		default:
			answer.Answered = append(answer.Answered, h.id())
		}
	}
	raw, err := answer.Encode()
	if err != nil {
		w.t.Error(err)
	}
	for _, d := range w.fate(job.ProbeSubject, 0.2) {
		time.AfterFunc(d, func() { w.in.Publish(m.Reply, raw) })
	}
}

// carryBack brings a host's reply to the client.
func (w *lossyWorld) carryBack(m *nats.Msg) {
	words := strings.Split(m.Subject, ".")
	for _, h := range w.hosts {
		if string(h.id()) != words[2] || h.isCut() {
			continue
		}
		for _, d := range w.fate("from "+h.name, h.loss) {
			time.AfterFunc(d, func() {
				h.arrived(words[4])
				w.in.Publish(m.Subject, m.Data)
			})
		}
	}
}

// members is the list of hosts as a broker with this view gives it. The first host's broker address is its number, so that
// it can be told which lists the client took.
func (w *lossyWorld) members(v lossyView, running time.Duration) []byte {
	list := job.Members{}
	for i, h := range w.hosts {
		if !v.blind || running >= v.before || i == 0 {
			list.Members = append(list.Members, h.member(v.lag))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	list.Members[0].Broker = strconv.Itoa(len(w.lists))
	w.lists = append(w.lists, list.Members)
	raw, err := list.Encode()
	if err != nil {
		w.t.Error(err)
	}
	return raw
}

// seen notes that the client took a list.
func (w *lossyWorld) seen(brokers []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := strconv.Atoi(brokers[0])
	w.taken = append(w.taken, takenList{time.Now(), w.lists[n]})
}

func (w *lossyWorld) client() *client.Client {
	nc := inProcess(w.t, w.near)
	c, err := client.Over(nc, client.Config{Root: w.root.Anchor(), Key: w.admin, Log: slog.New(slog.DiscardHandler), Seen: w.seen, Declared: declared})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// later runs f beside all else; the world waits for it in the end.
func (w *lossyWorld) later(f func()) { w.work.Go(f) }
