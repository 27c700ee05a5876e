package mesh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/internal/bubble"
)

// dialWorld has brokers that take a connection, refuse it or hang, and a node that follows them, in fake time.
type dialWorld struct {
	t      *testing.T
	server *server.Server
	l      *loop
	log    *lines

	mu    sync.Mutex
	is    map[string]string // "up", "hangs" or "refuses"; "": refuses
	began map[string][]time.Time
	under map[string]context.Context
	lines map[string]*line        // the newest that was opened
	hangs map[string]*atomic.Bool // what is connected
	stop  []func()
}

func newDialWorld(t *testing.T, settle time.Duration, is map[string]string) *dialWorld {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	w := &dialWorld{t: t, server: s, log: &lines{}, is: is, began: map[string][]time.Time{}, under: map[string]context.Context{}, lines: map[string]*line{}, hangs: map[string]*atomic.Bool{}}
	m := &Mesh{config: Config{Settle: settle}, log: slog.New(w.log), kick: make(chan struct{}, 1)}
	w.l = m.newLoop()
	w.l.dialer.open = w.open
	t.Cleanup(func() {
		w.l.dialer.stop()
		for _, stop := range w.stop {
			stop()
		}
		s.Shutdown()
		s.WaitForShutdown()
		time.Sleep(time.Minute) // what was left behind ends
		runtime.GC()
		runtime.GC() // nats.go keeps timers for whoever needs one next, who must not find one of this bubble
	})
	return w
}

func (w *dialWorld) open(ctx context.Context, url string) (*line, error) {
	w.mu.Lock()
	w.began[url] = append(w.began[url], time.Now())
	for other, ctx := range w.under {
		if ctx.Err() == nil {
			w.t.Errorf("it dials %s while it dials %s", url, other)
		}
	}
	w.under[url] = ctx
	is := w.is[url]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.under, url)
	}()
	switch is {
	case "up":
		n, hangs := &line{url: url, taken: make(chan struct{})}, &atomic.Bool{}
		var err error
		n.nc, err = nats.Connect("", nats.InProcessServer(muting{w.server, hangs}), nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.ClosedHandler(func(*nats.Conn) {
			n.closed.Store(true)
			w.l.m.look()
		}))
		if err != nil {
			w.t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines[url], w.hangs[url] = n, hangs
		w.stop = append(w.stop, func() { hangs.Store(false) }, n.close)
		return n, nil
	case "hangs":
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(connectTimeout):
			return nil, errors.New("it hangs")
		}
	}
	return nil, errors.New("it refuses")
}

// run follows the brokers for that long. No turn may wait for anything.
func (w *dialWorld) run(d time.Duration, urls ...string) {
	w.t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	end := time.After(d)
	for {
		before := time.Now()
		w.l.follow(urls)
		if took := time.Since(before); took > 0 {
			w.t.Fatalf("a turn took %s", took)
		}
		select {
		case <-end:
			return
		case <-tick.C:
		case <-w.l.m.kick:
		}
	}
}

func (w *dialWorld) set(url, is string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is[url] = is
}

// dials are when dials to a broker began.
func (w *dialWorld) dials(url string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.began[url])
}

func (w *dialWorld) dialing(url string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.under[url] != nil
}

func (w *dialWorld) newest(url string) *line {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines[url]
}

// hung says whether what is connected to a broker hangs, and makes it.
func (w *dialWorld) hung(url string) *atomic.Bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hangs[url]
}

func (w *dialWorld) at() string {
	if w.l.line == nil {
		return ""
	}
	return w.l.line.url
}

// lines are how often a log said what, at which level.
type lines struct {
	mu   sync.Mutex
	said map[string]int
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil {
		l.said = map[string]int{}
	}
	l.said[r.Level.String()+" "+r.Message]++
	return nil
}

// The broker that a node prefers hangs: while another one serves, it is tried more and more seldom, and each node at its own time.
// The loop never waits for it.
func TestAPreferredBrokerThatHangs(t *testing.T) {
	seconds := map[time.Duration]bool{} // when the second attempt begins
	for range 10 {
		bubble.Test(t, func(t *testing.T) {
			began := time.Now()
			w := newDialWorld(t, 20*time.Second, map[string]string{"a": "hangs", "b": "up"})
			w.run(time.Hour, "a", "b")
			tries := w.dials("a")
			if len(tries) < 8 || len(tries) > 30 || len(w.dials("b")) != 1 || w.at() != "b" {
				t.Fatalf("%d attempts in an hour, %d with the other, connected to %q", len(tries), len(w.dials("b")), w.at())
			}
			seconds[tries[1].Sub(began)] = true
			if w.l.moveWait != maxMoveWait {
				t.Errorf("it waits for %s", w.l.moveWait)
			}
			w.set("a", "up")
			w.run(2*maxMoveWait, "a", "b")
			if w.at() != "a" || !w.newest("b").closed.Load() {
				t.Errorf("it is on %q, the former connection closed: %t", w.at(), w.newest("b").closed.Load())
			}
		})
	}
	if len(seconds) < 5 {
		t.Errorf("10 nodes try again at %d moments", len(seconds))
	}
}

// What gossip says ends a dial to a broker that is not named any more, and has a new one tried at once.
func TestADialEndsWithTheWish(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newDialWorld(t, 20*time.Second, map[string]string{"a": "hangs", "b": "up"})
		w.run(time.Second, "a")
		if !w.dialing("a") {
			t.Fatalf("under way")
		}
		began := time.Now()
		w.l.follow([]string{"b"})
		synctest.Wait()
		if w.dialing("a") {
			t.Errorf("it dials on")
		}
		w.run(0, "b")
		w.run(time.Millisecond, "b")
		if w.at() != "b" || !w.dials("b")[0].Equal(began) {
			t.Errorf("on %q", w.at())
		}
	})
}

// A connection that stands only when nobody wishes for it any more is closed.
func TestAConnectionThatComesTooLate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newDialWorld(t, 20*time.Second, map[string]string{"a": "up", "b": "up"})
		w.l.follow([]string{"a"})
		synctest.Wait() // it stands, and the loop has not looked
		w.run(time.Second, "b")
		if w.at() != "b" || !w.newest("a").closed.Load() {
			t.Errorf("on %q; the other one is closed: %t", w.at(), w.newest("a").closed.Load())
		}
	})
}

// While none takes it, a node tries all of them again and again: one after another, then after a wait that differs from node to node
// and time to time. It says so more and more seldom.
func TestNoBrokerTakesIt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newDialWorld(t, 20*time.Second, map[string]string{})
		w.run(10*time.Minute, "a", "b", "c")
		waits := map[time.Duration]bool{}
		for i, at := range w.dials("a")[1:] {
			wait := at.Sub(w.dials("a")[i])
			if wait < redialWait || wait >= redialWait+redialJitter {
				t.Fatalf("it waits for %s", wait)
			}
			waits[wait] = true
		}
		if len(waits) < 100 || len(w.dials("b")) < 300 || len(w.dials("c")) < 300 {
			t.Errorf("%d different waits, %d and %d attempts with the others", len(waits), len(w.dials("b")), len(w.dials("c")))
		}
		if n := w.log.said["WARN no broker reached yet"]; n < 5 || n > 12 {
			t.Errorf("it says so %d times", n)
		}
		w.set("c", "up")
		w.run(redialWait+redialJitter, "a", "b", "c")
		if w.at() != "c" {
			t.Errorf("on %q", w.at())
		}
		w.newest("c").close() // as a lost connection
		w.run(time.Second, "a", "b", "c")
		if w.l.m.shown.reconnects.Load() != 1 || w.at() != "c" {
			t.Errorf("on %q, counted as %d", w.at(), w.l.m.shown.reconnects.Load())
		}
	})
}

// New credentials are shown to a broker at once, over another connection; the former one stays until that stands.
func TestNewCredentialsAreShown(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newDialWorld(t, 20*time.Second, map[string]string{"a": "up"})
		w.run(time.Second, "a")
		former := w.newest("a")
		w.set("a", "hangs")
		w.l.m.Reconnect()
		w.run(time.Minute, "a")
		if former.closed.Load() || w.at() != "a" {
			t.Error("it gave up the former connection for nothing")
		}
		w.set("a", "up")
		w.run(time.Minute, "a")
		if w.newest("a") == former || !former.closed.Load() || len(w.dials("a")) > 12 {
			t.Errorf("former one closed: %t, %d attempts", former.closed.Load(), len(w.dials("a")))
		}
	})
}

// muting is the broker for one connection.
type muting struct {
	*server.Server
	hangs *atomic.Bool
}

func (m muting) InProcessConn() (net.Conn, error) {
	c, err := m.Server.InProcessConn()
	return mutable{c, m.hangs}, err
}

// mutable is a connection to a broker that can be made to hang.
type mutable struct {
	net.Conn
	hangs *atomic.Bool
}

func (c mutable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for c.hangs.Load() {
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// A node that somebody misses asks its broker whether it is there, and goes to another one if nothing comes; it does not come back
// at once. One whose broker answers stays, also if it answers late and no other took the node meanwhile.
func TestABrokerThatHangsIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		other string
		hangs time.Duration
		want  string
	}{
		{"the broker is well", "up", 0, "a"},
		{"it hangs", "up", time.Hour, "b"},
		{"it was slow", "hangs", 5*time.Second + brokerPatience*3/2, "a"},
		{"it hangs, and so does the other", "hangs", time.Minute, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				w := newDialWorld(t, 20*time.Second, map[string]string{"a": "up", "b": tt.other})
				w.run(time.Second, "a", "b")
				if tt.hangs > 0 {
					hangs := w.hung("a")
					hangs.Store(true)
					time.AfterFunc(tt.hangs, func() { hangs.Store(false) })
				}
				w.run(5*time.Second, "a", "b")
				if w.at() != "a" || len(w.dials("b")) > 0 {
					t.Fatalf("it is on %q before anybody misses it", w.at())
				}
				w.set("a", "hangs") // for whoever comes anew
				w.l.m.missed.Store(true)
				w.run(2*brokerPatience, "a", "b")
				if got := w.at(); got != tt.want {
					t.Errorf("it is on %q, not %q", got, tt.want)
				}
				if dials := len(w.dials("b")); (dials > 0) != (tt.hangs > 0) {
					t.Errorf("%d dials to another one", dials)
				}
				tries := len(w.dials("a"))
				w.run(9*time.Second, "a", "b")
				if got := len(w.dials("a")) - tries; got > 0 {
					t.Errorf("%d attempts to come back within seconds", got)
				}
			})
		})
	}
}
