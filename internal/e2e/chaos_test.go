//go:build lab

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/internal/lab"
	"fleet/internal/lab/labtest"
)

// What becomes of a fleet when things go wrong, with two admins working throughout: each looks at all hosts and changes all
// of them, again and again. A change is the restart of a service that writes its own name, another one each time, into a
// file, so that each host's file tells how often each change ran there. In the end, of each scenario:
//
//   - zero unnamed: in each answer every host of the fleet stands once, in one state, and the exit code says the worst;
//     and only a host that had trouble is silent or lost
//   - zero run twice: no change is in a host's file more than once
//   - zero lost: what an admin was told is done is in the file; what he was not told of, and what he was told is lost, stands
//     in the host's audit under the id of the job that he was given
//
// A stepped clock needs a binary of its own: TestSteppedClocks.

const counter = `[Unit]
Description=counts itself as %i
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo %i >>` + ranFile + `; exec sleep 0.2'
`

// chaos is a fleet whose nodes are in trouble, with two admins whose machines are not.
type chaos struct {
	l            *labtest.Lab
	nodes, peers []string
	admins       map[string]string // name -> machine
	scenarios    int
	watch        func(call) // is shown each call when its scenario is over; may be nil
}

// newChaos founds a fleet of peers and members, web1 to webN, with ann's and bob's machines behind them.
func newChaos(t *testing.T, binary string, peers, members int) *chaos {
	n := peers + members
	a, token := found(t, lab.Config{Hosts: n + 2, Binary: binary})
	c := &chaos{l: a.l, nodes: hosts(1, n), peers: hosts(1, peers), admins: map[string]string{"ann": hosts(n+1, n+1)[0], "bob": hosts(n+2, n+2)[0]}}
	a.join(token, c.peers[1:]...)
	for name, machine := range c.admins {
		line := strings.Fields(c.l.Must(machine, "fleet", "admin", "keygen", name, "--role", "all"))
		c.l.Must(machine, strings.Fields(c.l.Must("web1", line...))...)
	}
	a.join(c.l.Must(c.admins["ann"], "fleet", "token", "create"), c.nodes[peers:]...)
	for _, h := range c.nodes {
		c.prepare(h)
	}
	return c
}

// prepare puts the counter on a host.
func (c *chaos) prepare(host string) {
	c.l.Write(host, "/etc/systemd/system/chaos@.service", 0o644, counter)
	c.l.Must(host, "sh", "-ec", "systemctl daemon-reload; touch "+ranFile)
}

// each does something on several hosts at once.
func (c *chaos) each(t *testing.T, hosts []string, do func(ctx context.Context, host string) error) {
	t.Helper()
	var all sync.WaitGroup
	for _, h := range hosts {
		all.Go(func() {
			if err := do(c.l.Context(), h); err != nil {
				t.Errorf("%s: %v", h, err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// kill9 ends fleet-node as the kernel does when memory is short; systemd starts it again after two seconds.
func (c *chaos) kill9(t *testing.T, hosts ...string) {
	t.Helper()
	c.each(t, hosts, func(ctx context.Context, h string) error {
		res, err := c.l.Lab.Exec(ctx, h, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", "fleet-node")
		if err == nil && res.Code != 0 {
			err = fmt.Errorf("systemctl kill: %s", res.Stderr)
		}
		return err
	})
}

// carriers are the peers that are up and run a broker.
func (c *chaos) carriers(t *testing.T) (names []string) {
	t.Helper()
	status, err := c.l.Status(c.l.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		if s.State != "running" || !slices.Contains(c.peers, s.Host) {
			continue
		}
		if out, _, _ := c.l.Exec(s.Host, "ss", "-Hltn", "sport = :7421"); out != "" {
			names = append(names, s.Host)
		}
	}
	return names
}

// settled waits until three peers run a broker and returns them.
func (c *chaos) settled(t *testing.T) []string {
	t.Helper()
	limit, tick := time.NewTimer(eventually), time.NewTicker(200*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for {
		names := c.carriers(t)
		if len(names) == 3 {
			return names
		}
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after %s %v run a broker; three should", eventually, names)
		case <-c.l.Context().Done():
			t.Fatal(c.l.Context().Err())
		}
	}
}

func fine(c call) bool { return c.code == 0 && c.fault == nil }

// without is a call in which just these hosts did not answer.
func without(names ...string) func(call) bool {
	slices.Sort(names)
	return func(c call) bool { return c.code == 5 && slices.Equal(c.in("silent"), names) && len(c.in("lost")) == 0 }
}

// scenario is something that goes wrong, while ann and bob work.
type scenario struct {
	*testing.T
	*chaos
	admin map[string]*stream
}

func (s scenario) both(what string, n int, wanted func(call) bool) {
	s.Helper()
	for _, admin := range s.admin {
		admin.await(s.T, what, n, wanted)
	}
}

// run lets something go wrong, waits until the fleet is whole again, and settles the accounts.
func (c *chaos) run(t *testing.T, name string, do func(s scenario, brokers []string) trouble) {
	whole := false
	t.Run(name, func(t *testing.T) {
		c.scenarios++
		prefix := fmt.Sprintf("s%d", c.scenarios)
		s := scenario{t, c, map[string]*stream{}}
		brokers := c.settled(t)
		for name, machine := range c.admins {
			s.admin[name] = startStream(c.l, name, machine, prefix)
		}
		var ended sync.Once
		calls := map[string][]call{}
		end := func() {
			ended.Do(func() {
				for name, stream := range s.admin {
					calls[name] = stream.end()
				}
			})
		}
		defer end()
		s.both("all is well before", 2, fine)
		began := time.Now()
		tr := do(s, brokers)
		s.both("all is well again", 4, fine)
		whole = true
		t.Logf("%s: whole again %.1f s after it began; brokers were on %v", name, time.Since(began).Seconds(), brokers)
		end()
		books := map[string]books{}
		for _, h := range c.nodes {
			books[h] = readBooks(t, c.l, h, slices.Contains(tr.thrown, h))
		}
		for admin, list := range calls {
			slowest := call{}
			for _, call := range list {
				tr.judge(t, admin, call, c.nodes)
				if c.watch != nil {
					c.watch(call)
				}
				if call.took > slowest.took {
					slowest = call
				}
			}
			account(t, admin, list, books)
			t.Logf("%s: the slowest of %d was %s", admin, len(list), slowest)
		}
		strangers(t, prefix, calls, books)
	})
	if !whole {
		t.FailNow() // what follows would start from a fleet that is not whole
	}
}

// drill is a scenario with its name.
type drill struct {
	name string
	do   func(s scenario, brokers []string) trouble
}

// TestChaos is what CI runs; `scripts/test soak` runs these and the rare ones, again and again.
func TestChaos(t *testing.T) {
	c := newChaos(t, binary(t), 4, 3)
	for _, d := range everyday() {
		c.run(t, d.name, d.do)
	}
}

// everyday is each kind of trouble once.
func everyday() []drill {
	return []drill{
		{"kill -9 of a broker", func(s scenario, brokers []string) trouble {
			s.kill9(s.T, brokers[0])
			return gone(brokers[0])
		}},
		{"kill -9 of all brokers", func(s scenario, brokers []string) trouble {
			s.kill9(s.T, brokers...)
			tr := gone(brokers...)
			tr.cutOff = true
			return tr
		}},
		{"a broker's host loses its power", func(s scenario, brokers []string) trouble {
			s.l.Kill(brokers[1])
			s.both("it is named, and the others work", 4, without(brokers[1]))
			if now := s.settled(s.T); slices.Contains(now, brokers[1]) {
				s.Errorf("brokers are on %v", now)
			}
			s.l.Start(brokers[1])
			tr := gone(brokers[1])
			tr.power = true
			return tr
		}},
		{"a broker's host hangs", func(s scenario, brokers []string) trouble {
			s.l.Pause(brokers[2])
			s.both("it is named, and the others work", 3, without(brokers[2]))
			s.l.Unpause(brokers[2])
			return gone(brokers[2])
		}},
		{"partition", partition},
		{"packets get lost", func(s scenario, brokers []string) trouble {
			s.each(s.T, s.machines(), func(ctx context.Context, h string) error { return s.l.Lab.Lose(ctx, h, 10) })
			s.both("work goes on", 4, func(c call) bool { return c.code != 1 })
			s.each(s.T, s.machines(), s.l.Lab.Heal)
			return trouble{}
		}},
		{"all hosts lose their power", func(s scenario, brokers []string) trouble {
			s.each(s.T, s.nodes, s.l.Lab.Kill)
			s.both("nobody answers", 1, func(c call) bool { return c.code == 1 })
			s.each(s.T, s.nodes, s.l.Lab.Start)
			tr := gone(s.nodes...)
			tr.cutOff, tr.power = true, true
			return tr
		}},
		{"a disk is full", fullDisk},
	}
}

// rare takes longer and shows little that everyday does not.
func rare(t *testing.T) []drill {
	return []drill{
		{"kill -9 of two brokers of three", func(s scenario, brokers []string) trouble {
			s.kill9(s.T, brokers[:2]...)
			return gone(brokers[:2]...)
		}},
		{"the network is slow", slow(t)},
	}
}

// machines are all hosts, those of the admins among them.
func (c *chaos) machines() []string { return hosts(1, len(c.nodes)+len(c.admins)) }

// partition cuts the fleet in two, with an admin on each side. Both sides work.
func partition(s scenario, brokers []string) trouble {
	spare := slices.DeleteFunc(slices.Clone(s.peers), func(h string) bool { return slices.Contains(brokers, h) })
	here := append([]string{brokers[0], "web5"}, spare...)
	there := slices.DeleteFunc(slices.Clone(s.nodes), func(h string) bool { return slices.Contains(here, h) })
	mine, others := append([]string{s.admins["ann"]}, here...), append([]string{s.admins["bob"]}, there...)
	s.each(s.T, mine, func(ctx context.Context, h string) error { return s.l.Lab.Cut(ctx, h, others...) })
	s.admin["ann"].await(s.T, "her side works and the other is named", 4, without(there...))
	s.admin["bob"].await(s.T, "his side works and the other is named", 4, without(here...))
	s.each(s.T, mine, s.l.Lab.Heal)
	// When it heals, an admin's next command may meet a broker of the other side, which for some seconds calls this side
	// failed; and when it begins, his connection may be to one. No answer is what he is told then, and he was.
	tr := gone(s.nodes...)
	tr.cutOff = true
	return tr
}

// slow delays whatever any host sends.
func slow(t *testing.T) func(scenario, []string) trouble {
	binary, err := lab.BuildDelay(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return func(s scenario, _ []string) trouble {
		s.each(s.T, s.machines(), func(ctx context.Context, h string) error { return s.l.Delay(ctx, h, binary, 200*time.Millisecond) })
		s.both("work goes on", 4, func(c call) bool { return c.code != 1 })
		s.each(s.T, s.machines(), s.l.Hurry)
		return trouble{}
	}
}

// fullDisk fills the disk of one host: it refuses changes, and runs none that it could not remember.
func fullDisk(s scenario, _ []string) trouble {
	sh := func(script string) { s.Helper(); s.l.Must("web6", "sh", "-ec", script) }
	sh(`systemctl stop fleet-node
		mkdir /mnt/small && mount -t tmpfs -o size=4m,mode=700 fleet-small /mnt/small
		cp -a /var/lib/fleet/. /mnt/small/ && mount --move /mnt/small /var/lib/fleet
		systemctl start fleet-node`)
	s.both("it is back", 2, fine)
	sh("dd if=/dev/zero of=/var/lib/fleet/filler bs=4k 2>/dev/null || true")
	s.both("it answers, and refuses changes", 4, func(c call) bool {
		if c.tag == "" {
			return fine(c)
		}
		return c.code == 7 && slices.Equal(c.in("refused"), []string{"web6"})
	})
	sh("rm /var/lib/fleet/filler")
	s.both("it is whole", 2, fine)
	sh(`cp -a /var/lib/fleet /var/lib/fleet.kept
		systemctl stop fleet-node; rm -rf /var/lib/fleet.kept; cp -a /var/lib/fleet /var/lib/fleet.kept; umount /var/lib/fleet
		rm -rf /var/lib/fleet; mv /var/lib/fleet.kept /var/lib/fleet; systemctl start fleet-node`)
	tr := gone("web6")
	tr.refuses, tr.away = "web6", []string{"web6"}
	return tr
}
