package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/node"
	"fleet/node/sim"
)

const (
	simReady   = time.Minute      // how long a broker's node may take to be ready
	simSettle  = 2 * time.Minute  // how long until the brokers know everybody
	simStop    = 30 * time.Second // how long a node has to end by itself
	simLook    = 50 * time.Millisecond
	readyWords = "msg=ready"
)

// simulation is a fleet of its own: real nodes that run the brokers, each a process, and the simulated hosts here.
type simulation struct {
	env     *env
	options simOptions
	dir     string

	nodes   []*simNode
	brokers []string // their addresses
	client  *client.Client
	world   *sim.World

	measured report.Sim
}

// simNode is the process of a real node.
type simNode struct {
	cmd    *exec.Cmd
	broker string
	ended  chan struct{}
}

func (s *simulation) home() string { return filepath.Join(s.dir, "home") }

func (s *simulation) place(i int) (place, error) {
	port, err := freePort()
	loopback := netip.MustParseAddr("127.0.0.1")
	name := "broker" + strconv.Itoa(i)
	return place{data: filepath.Join(s.dir, name), name: name, listen: loopback, advertise: loopback, brokerPort: port}, err
}

// start founds the fleet and returns when the brokers know every host.
func (s *simulation) start(ctx context.Context) error {
	for i := range s.options.brokers {
		p, err := s.place(i + 1)
		if err != nil {
			return faultf("%w", err)
		}
		if i == 0 {
			if _, err := (founding{fleet: "sim", admin: userName(), home: s.home(), place: p, life: time.Hour, now: time.Now()}).run(); err != nil {
				return err
			}
		}
		if err := s.startNode(ctx, p); err != nil {
			return err
		}
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	before := s.memory()
	made := time.Now()
	if err := s.make(ctx); err != nil {
		return err
	}
	s.env.note("%d simulated hosts made in %s", s.options.hosts, time.Since(made).Round(time.Millisecond))
	began := time.Now()
	if err := s.world.Connect(ctx); err != nil {
		return faultf("%w", err)
	}
	s.measured.Connect = report.Milliseconds(time.Since(began))
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.measured.Known = report.Milliseconds(time.Since(began))
	s.measured.MemoryBefore, s.measured.MemoryAfter = before, s.memory()
	return nil
}

// startNode starts a node as a process of its own and waits until it takes jobs.
func (s *simulation) startNode(ctx context.Context, p place) error {
	self, err := os.Executable()
	if err != nil {
		return faultf("%w", err)
	}
	cmd := exec.Command(self, "node", "--data", p.data, "--name", p.name, "--listen", p.listen.String(), "--advertise", p.advertise.String(),
		"--gossip-port", "0", "--route-port", "0", "--broker-port", strconv.Itoa(int(p.brokerPort)), "--join", "@"+filepath.Join(s.home(), tokenFile))
	config := filepath.Join(s.dir, "fleet.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return faultf("%w", err)
	}
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + s.env.getenv("PATH"), "FLEET_CONFIG=" + config} // nothing of this machine's own fleet
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                                         // Ctrl-C is for this process, which stops it
	errs, err := cmd.StderrPipe()
	if err != nil {
		return faultf("%w", err)
	}
	if err := cmd.Start(); err != nil {
		return faultf("start a node: %w", err)
	}
	n := &simNode{cmd: cmd, broker: net.JoinHostPort(p.listen.String(), strconv.Itoa(int(p.brokerPort))), ended: make(chan struct{})}
	s.nodes, s.brokers = append(s.nodes, n), append(s.brokers, n.broker)
	ready := make(chan struct{})
	go n.watch(errs, ready)
	limit := time.NewTimer(simReady)
	defer limit.Stop()
	select {
	case <-ready:
		return nil
	case <-n.ended:
		return faultf("the node of a broker ended before it was ready; try `fleet demo`, which tells more")
	case <-limit.C:
		return faultf("the node of a broker was not ready within %s", simReady)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch reads what the node says until it ends, and closes ready when it takes jobs.
func (n *simNode) watch(errs io.Reader, ready chan<- struct{}) {
	defer close(n.ended)
	told := false
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		if !told && strings.Contains(lines.Text(), readyWords) {
			told = true
			close(ready)
		}
	}
	_, _ = io.Copy(io.Discard, errs) // a line that is too long for the scanner
	_ = n.cmd.Wait()                 // that it ended is all that counts
}

func (s *simulation) connect(ctx context.Context) error {
	root, err := os.ReadFile(filepath.Join(s.home(), rootFile))
	if err != nil {
		return faultf("%w", err)
	}
	key, err := identity.ReadKey[identity.Admin](filepath.Join(s.home(), keyFile))
	if err != nil {
		return faultf("%w", err)
	}
	c := client.Config{Key: key, Brokers: s.brokers, Log: slog.New(slog.DiscardHandler)}
	if err := c.Root.UnmarshalText([]byte(strings.TrimSpace(string(root)))); err != nil {
		return faultf("%w", err)
	}
	if s.client, err = client.Connect(ctx, c); err != nil {
		return faultf("%w", err)
	}
	return nil
}

// make makes the hosts, certified by the first node's issuing key.
func (s *simulation) make(ctx context.Context) error {
	m, err := node.ReadMembership(filepath.Join(s.dir, "broker1"))
	if err != nil {
		return faultf("%w", err)
	}
	roster, err := s.client.Roster(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	s.world, err = sim.New(sim.Config{
		Root: m.Root, Issuer: identity.Issuer{Key: m.Issuing, Certificate: m.Chain.Issuing}, Roster: roster, Brokers: s.brokers,
		Hosts: s.options.hosts, Rates: s.options.rates, Seed: s.options.seed, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return faultf("%w", err)
	}
	return nil
}

// settle connects who is not connected, and returns when the brokers know that everybody is there.
func (s *simulation) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, simSettle)
	defer cancel()
	if err := s.world.Connect(ctx); err != nil {
		return faultf("%w", err)
	}
	return s.await(ctx, s.options.hosts+len(s.brokers))
}

// await returns when so many hosts are alive, as several answers in a row say: each broker's node has its own view.
func (s *simulation) await(ctx context.Context, hosts int) error {
	alive, agreed := 0, 0
	for agreed < 2*len(s.brokers)-1 {
		members, err := s.client.Members(ctx)
		if ctx.Err() != nil {
			return faultf("the brokers know %d of %d hosts: %w", alive, hosts, errors.Join(ctx.Err(), err))
		}
		alive = 0
		for _, m := range members {
			if m.Presence == job.Alive {
				alive++
			}
		}
		if agreed++; alive != hosts {
			agreed = 0
			wait.For(ctx, simLook)
		}
	}
	return nil
}

// killBroker kills the broker with the most hosts, as a crash does, and measures how long it took until all are on the
// others, and until a ping counts them.
func (s *simulation) killBroker(ctx context.Context) error {
	victim, most := 0, -1
	by := s.world.Brokers()
	for i, n := range s.nodes {
		if here := by[job.BrokerURL(n.broker)]; here > most {
			victim, most = i, here
		}
	}
	n := s.nodes[victim]
	began := time.Now()
	if err := n.cmd.Process.Kill(); err != nil {
		return faultf("%w", err)
	}
	<-n.ended
	s.nodes = append(s.nodes[:victim:victim], s.nodes[victim+1:]...)
	ctx, cancel := context.WithTimeout(ctx, simSettle)
	defer cancel()
	for s.world.Brokers()[job.BrokerURL(n.broker)] > 0 || s.world.Connected() < s.options.hosts {
		if wait.For(ctx, simLook) != nil {
			return faultf("%d of %d hosts found another broker: %w", s.world.Connected(), s.options.hosts, ctx.Err())
		}
	}
	back := time.Since(began)
	run, err := s.client.Run(ctx, client.Request{Plugin: selfPlugin, Action: actionPing, Timeout: s.options.timeout}, nil)
	if err != nil {
		return faultf("%w", err)
	}
	told, _ := s.told(run)
	tally, wrong := s.world.Compare(run.JobID, told, run.Rejected)
	s.differ(run, wrong)
	s.measured.Kill = &report.SimKill{Hosts: most, Back: report.Milliseconds(back), Heard: report.Milliseconds(time.Since(began)), Answered: tally.Answered}
	return nil
}

// stop ends all that was started, by its process id.
func (s *simulation) stop() error {
	if s.client != nil {
		s.client.Close()
	}
	if s.world != nil {
		s.world.Close()
	}
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, n.cmd.Process.Signal(syscall.SIGTERM))
	}
	for i, n := range s.nodes {
		select {
		case <-n.ended:
			errs[i] = nil // it may have ended before it was told to
		case <-time.After(simStop):
			errs[i] = n.cmd.Process.Kill()
			<-n.ended
		}
	}
	return errors.Join(errs...)
}

// invite says what to paste into another terminal.
func (s *simulation) invite() {
	binary, err := os.Executable()
	if err != nil {
		binary = "fleet"
	}
	fmt.Fprintf(s.env.stderr, "\nThe fleet stays up until Ctrl-C. In another terminal, paste:\n\n    export FLEET_HOME=%s\n    alias fleet=%s\n    fleet ping -o name | wc -l\n    fleet run service nginx restart -W hagroup=c\n",
		s.home(), binary)
}
