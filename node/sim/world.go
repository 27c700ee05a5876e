package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/job"
)

// MaxHosts bounds a world: each host has a connection, and the list of hosts that a client accepts ends soon after.
const MaxHosts = 16_000

// atOnce is how many hosts connect at one time. More would only wait in the broker's queue.
const atOnce = 128

// Config is what a world needs. All fields but Rates, Seed and Facts are required.
type Config struct {
	Root    identity.Authority
	Token   identity.Token  // that the hosts come with
	Issuer  identity.Issuer // certifies them
	Roster  identity.Roster // in force at the beginning
	Brokers []string        // host:port
	Hosts   int
	Rates   Rates
	Seed    uint64 // chooses who misbehaves, and how long who lags
	Facts   int    // about how many bytes of facts each host has, in its inventory
	Log     *slog.Logger
}

// World is the simulated hosts. It is safe for use by several goroutines.
type World struct {
	config     Config
	born       time.Time
	statements *identity.Verifier
	roster     atomic.Pointer[identity.Roster]
	actions    actions
	facts      map[string]any // of every host
	foreign    []byte         // the statement of a host of another fleet, for lies
	hosts      []*host

	acting context.Context
	stop   context.CancelFunc
	door   sync.RWMutex
	closed bool
	work   sync.WaitGroup // jobs that hosts misbehave about

	mu    sync.Mutex
	deeds map[string]deeds // by job
}

// New makes the hosts, with keys and certificates; none is connected yet. It takes about a quarter of a millisecond each.
func New(c Config) (*World, error) {
	if c.Hosts < 1 || c.Hosts > MaxHosts {
		return nil, fmt.Errorf("%d hosts; 1 to %d can be simulated", c.Hosts, MaxHosts)
	}
	if len(c.Brokers) == 0 {
		return nil, errors.New("no broker is known")
	}
	if err := c.Rates.Check(); err != nil {
		return nil, err
	}
	w := &World{config: c, born: time.Now(), statements: identity.NewVerifier(c.Root.Anchor()), actions: newActions(), facts: factsOf(c.Facts), deeds: map[string]deeds{}}
	w.roster.Store(&c.Roster)
	var err error
	if w.foreign, err = foreignStatement(w.born); err != nil {
		return nil, err
	}
	w.acting, w.stop = context.WithCancel(context.Background())
	for i, how := range natures(c.Hosts, c.Rates, c.Seed) {
		h, err := newHost(w, i+1, how)
		if err != nil {
			return nil, err
		}
		w.hosts = append(w.hosts, h)
	}
	return w, nil
}

// foreignStatement is a good one, of a host of a fleet that is not this one.
func foreignStatement(now time.Time) ([]byte, error) {
	elsewhere, err := identity.NewRoot(1, []identity.RootKey{{Key: identity.NewKey[identity.Root]().Public()}}, now)
	if err != nil {
		return nil, err
	}
	record := identity.Record{Role: identity.Member, Created: now, Expires: now.Add(time.Hour)}
	token, err := identity.NewToken(elsewhere.Anchor(), identity.NewKey[identity.Admin](), record, []string{"elsewhere:1"})
	if err != nil {
		return nil, err
	}
	return identity.NewStatement(token, identity.NewKey[identity.Node]().Public(), identity.NewSealKey().Public(), "elsewhere", now)
}

// Connect connects every host that is not connected, and returns when each listens for jobs. An attempt that fails in the
// storm is tried again, until ctx ends.
func (w *World) Connect(ctx context.Context) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	var failed atomic.Pointer[error]
	for _, h := range w.hosts {
		if h.connected() {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			for {
				err := h.connect()
				if err == nil || ctx.Err() != nil {
					return
				}
				err = fmt.Errorf("host %s: %w", h.name, err)
				failed.Store(&err)
				w.config.Log.Warn("simulated host not connected; it tries again", logkey.Error, err)
				wait.For(ctx, 500*time.Millisecond)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		err := ctx.Err()
		if last := failed.Load(); last != nil {
			err = errors.Join(err, *last)
		}
		return fmt.Errorf("%d of %d simulated hosts connected: %w", w.Connected(), len(w.hosts), err)
	}
	return nil
}

// Connected is how many hosts have a connection now.
func (w *World) Connected() int {
	n := 0
	for _, h := range w.hosts {
		if h.connected() {
			n++
		}
	}
	return n
}

// Brokers is how many hosts are connected to each broker, by its URL.
func (w *World) Brokers() map[string]int {
	by := map[string]int{}
	for _, h := range w.hosts {
		if h.connected() {
			by[h.connection().ConnectedUrl()]++
		}
	}
	return by
}

// Close disconnects every host and waits for what they do.
func (w *World) Close() {
	w.stop()
	w.door.Lock()
	w.closed = true
	w.door.Unlock()
	for _, h := range w.hosts {
		h.close()
	}
	for _, h := range w.hosts {
		h.runner.Stop(grace)
	}
	w.work.Wait()
}

// begin runs f in a goroutine, unless the world is being closed.
func (w *World) begin(f func()) {
	w.door.RLock()
	defer w.door.RUnlock()
	if !w.closed {
		w.work.Go(f)
	}
}

// did keeps what a host did about a job. The first word counts.
func (w *World) did(jobID, name string, what Deed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deeds[jobID] == nil {
		w.deeds[jobID] = make(deeds, len(w.hosts))
	}
	if _, known := w.deeds[jobID][name]; !known {
		w.deeds[jobID][name] = what
	}
}

// Forget drops what is kept about a job.
func (w *World) Forget(jobID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.deeds, jobID)
}

func (w *World) servers() []string {
	urls := make([]string, len(w.config.Brokers))
	for i, b := range w.config.Brokers {
		urls[i] = job.BrokerURL(b)
	}
	return urls
}

func (w *World) currentRoster() identity.Roster { return *w.roster.Load() }

// takeRoster takes a newer roster or a revocation that a broker announced. One host after another hears of the same.
func (w *World) takeRoster(signed []byte) {
	if now := w.roster.Load(); now != nil {
		if r, err := identity.OpenRoster(w.config.Root, signed); err == nil && r.Beats(*now) {
			r.Revoked = now.Revoked
			r = r.Revoking(nil)
			w.roster.CompareAndSwap(now, &r)
		}
		if list, err := identity.OpenRevocations(w.config.Root, signed); err == nil {
			if r := now.Revoking(list); !r.RevokesSame(*now) {
				w.roster.CompareAndSwap(now, &r)
			}
		}
	}
}

// catchUp is a host's, which has what a broker announced to it.
func (w *World) catchUp(_ context.Context, needs []job.WantedDocument) (bool, error) {
	for _, n := range needs {
		if has := w.roster.Load(); n.Kind == identity.RosterKind && has.Version < n.Version {
			return false, fmt.Errorf("this host has roster version %d, and the job's signer knows version %d", has.Version, n.Version)
		}
	}
	return false, nil
}

// Members are the names of the hosts by their id.
func (w *World) Members() map[identity.ID]string {
	all := make(map[identity.ID]string, len(w.hosts))
	for _, h := range w.hosts {
		all[h.self.ID] = h.name
	}
	return all
}
