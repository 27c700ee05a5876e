package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/internal/logkey"
)

// joinWidth is how many nodes a join asks at once. One is enough; several make up for one that is dead or busy (a node
// refuses its 129th push/pull).
const joinWidth = 3

// rejoinWidth is how many addresses a node that is alone tries at a time; a black hole costs five seconds for each
// joinWidth of them, and the next time others are tried.
const rejoinWidth = 4 * joinWidth

// extraSyncs is how many push/pulls follow a join: with two of them a mesh of 100 nodes was complete fastest.
const extraSyncs = 2

// clashSyncs is how many push/pulls follow the news that others hold this node's id at another address. If this host
// has just got a new address, they give up the old one within seconds, and one of these tells them the new one. If it
// is a clone, nothing helps, and they end.
const clashSyncs = 12

// Join exchanges everything with some of the nodes at addrs, "host:port" with a name or an address, and of those that this
// node remembers, in random order. It returns how many answered, and an error only if there was somebody to ask and none
// did, or if ctx ended first. It blocks for name resolution and the network, at most about ten seconds for each three
// addresses. The addresses are remembered and tried again by Run while this node is alone, so an error need not be the end.
func (g *Gossip) Join(ctx context.Context, addrs []string) (n int, err error) {
	g.rememberSeeds(addrs)
	targets, errs := resolve(ctx, addrs)
	alive, lost, left := g.others()
	targets = distinct(slices.Concat(targets, alive, lost, left))
	if len(targets) == 0 && len(errs) == 0 {
		return 0, nil
	}
	n, err = g.joinSome(ctx, targets)
	if n > 0 {
		notify(g.joined)
		return n, nil
	}
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return 0, fmt.Errorf("join the mesh: none of %s is another node", strings.Join(addrs, ", "))
	}
	return 0, fmt.Errorf("join the mesh: %w", several(errs))
}

// joinSome tries the targets in random order, joinWidth at a time, until one of such a group has answered.
func (g *Gossip) joinSome(ctx context.Context, targets []netip.AddrPort) (n int, err error) {
	targets = slices.DeleteFunc(slices.Clone(targets), func(a netip.AddrPort) bool { return a == g.addr })
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	var errs []error
	for group := range slices.Chunk(targets, joinWidth) {
		results := make(chan error, len(group))
		for _, a := range group {
			if err := g.dial(a, results); err != nil {
				return n, err
			}
		}
		for range group {
			select {
			case <-ctx.Done():
				return n, context.Cause(ctx)
			case err := <-results:
				if err == nil {
					n++
				} else {
					errs = append(errs, err)
				}
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	if len(errs) == 0 {
		return 0, nil
	}
	return 0, several(errs)
}

// several is errors.Join on one line.
type several []error

func (s several) Unwrap() []error { return s }

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// dial starts one push/pull; its result goes to results, which must have room. Run waits for it at its end.
func (g *Gossip) dial(a netip.AddrPort, results chan<- error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	g.dials.Go(func() {
		_, err := g.list.Join([]string{a.String()})
		results <- explain(err)
	})
	return nil
}

// explain adds what to do to the errors that people meet.
func explain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = strings.TrimPrefix(text, "1 error occurred: * ")
	switch {
	case strings.Contains(text, "could decrypt"):
		text += " (it has a different gossip key)"
	case strings.HasSuffix(text, "EOF"):
		text += " (it closed the connection: it may belong to another fleet or be busy)"
	}
	return errors.New(text)
}

func (g *Gossip) rememberSeeds(addrs []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range addrs {
		if !slices.Contains(g.seeds, a) && len(g.seeds) < maxSeeds {
			g.seeds = append(g.seeds, a)
		}
	}
}

// resolve turns names into addresses. What does not resolve is an error beside those that do.
func resolve(ctx context.Context, addrs []string) (out []netip.AddrPort, errs []error) {
	for _, addr := range addrs {
		host, portText, err := net.SplitHostPort(addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q is not host:port: %w", addr, err))
			continue
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil || port == 0 {
			errs = append(errs, fmt.Errorf("%q has no valid port", addr))
			continue
		}
		ips := []netip.Addr{}
		if ip, err := netip.ParseAddr(host); err == nil {
			ips = append(ips, ip)
		} else if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			errs = append(errs, fmt.Errorf("resolve %s: %w", addr, err))
			continue
		}
		for _, ip := range ips {
			if a := netip.AddrPortFrom(ip.Unmap(), uint16(port)); !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out, errs
}

// maintain is Run's own loop: it finds lost members again, evens out a fresh join, forgets, and saves the members.
func (g *Gossip) maintain(ctx context.Context) {
	level, wait := slog.LevelInfo, g.pace.rejoinMin/2
	rejoin := time.After(0)
	house := time.NewTicker(g.pace.housekeeping)
	defer house.Stop()
	var resync <-chan time.Time
	var every time.Duration
	resyncs := 0
	again := func(n int, wait time.Duration) {
		resyncs, every, resync = n, wait, time.After(jitter(wait))
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-house.C:
			g.keepOld(g.table.forget())
			g.saveMembers()
		case <-g.joined:
			if resyncs <= extraSyncs {
				again(extraSyncs, g.pace.resync)
			}
		case <-g.clashed:
			again(clashSyncs, g.pace.clash)
		case <-resync:
			g.syncWithAny(ctx)
			if resync = nil; resyncs > 1 {
				again(resyncs-1, every)
			}
		case <-rejoin:
			// Being alone is said once, not every half minute.
			wait = min(2*wait, g.pace.rejoinMax)
			if g.rejoin(ctx, level) {
				level = slog.LevelDebug
			} else {
				level, wait = slog.LevelInfo, g.pace.rejoinMax
			}
			rejoin = time.After(jitter(wait))
		}
	}
}

// jitter spreads d over a quarter to each side, so that hosts booted together do not stay in step.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}

// rejoin looks for lost members once. Alone, it tries all it ever heard of. Otherwise it tries one of those that are
// lost, with a probability that makes the whole mesh try about each of them once in rejoinMax, as Serf does.
// What it finds out while alone it logs at that level.
func (g *Gossip) rejoin(ctx context.Context, level slog.Level) (alone bool) {
	alive, lost, left := g.others()
	if len(alive) > 0 {
		if len(lost) > 0 && rand.IntN(len(alive)+1) < len(lost) {
			if n, _ := g.joinSome(ctx, lost[rand.IntN(len(lost)):][:1]); n > 0 {
				notify(g.joined)
			}
		}
		return false
	}
	g.mu.Lock()
	seeds := slices.Clone(g.seeds)
	g.mu.Unlock()
	targets, _ := resolve(ctx, seeds)
	targets = distinct(slices.Concat(targets, lost, left))
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	targets = targets[:min(len(targets), rejoinWidth)]
	n, err := g.joinSome(ctx, targets)
	switch {
	case n > 0:
		notify(g.joined)
	case err != nil && ctx.Err() == nil:
		g.cfg.Log.Log(ctx, level, "no other host found yet; trying again", logkey.Count, len(targets), logkey.Error, err)
	}
	return n == 0
}

// distinct sorts addrs, each once.
func distinct(addrs []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return slices.Compact(addrs)
}

func (g *Gossip) syncWithAny(ctx context.Context) {
	if alive, _, _ := g.others(); len(alive) > 0 {
		g.joinSome(ctx, alive[rand.IntN(len(alive)):][:1])
	}
}

// exchangeLast exchanges the whole state with a few other members over TCP, once this node has announced that it leaves:
// all packets that announce it can be lost, and a member of which only memberlist's own "dead" is heard counts as failed.
func (g *Gossip) exchangeLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.pace.announce)
	defer cancel()
	alive, _, _ := g.others()
	rand.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
	_, _ = g.joinSome(ctx, alive[:min(len(alive), joinWidth)])
}

// keepOld remembers where members were that are forgotten now. They count only while this node is alone.
func (g *Gossip) keepOld(forgotten []Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.old = pickOld(append(g.old, forgotten...))
}

// others returns the addresses of the other members that are alive, of those that should be (failed ones, and while none is
// alive those forgotten), and of those that left.
func (g *Gossip) others() (alive, lost, left []netip.AddrPort) {
	known := map[string]bool{}
	for _, m := range g.table.list() {
		known[m.ID] = true
		switch {
		case m.ID == g.cfg.Self.ID:
		case m.State == Alive:
			alive = append(alive, m.Addr)
		case m.State == Failed:
			lost = append(lost, m.Addr)
		case m.State == Left:
			left = append(left, m.Addr)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.old = slices.DeleteFunc(g.old, func(m Member) bool { return known[m.ID] || len(alive) > 0 })
	for _, m := range g.old {
		lost = append(lost, m.Addr)
	}
	return alive, lost, left
}
