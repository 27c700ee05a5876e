package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/node"
	simulated "fleet/node/sim"
)

const (
	readyTime  = time.Minute      // how long a broker's node may take to be ready
	settleTime = 2 * time.Minute  // how long until the brokers know everybody
	stopTime   = 30 * time.Second // how long a node has to end by itself
	lookAgain  = 50 * time.Millisecond
	loopback   = "127.0.0.1"
	readyWords = "msg=ready"
)

// simulation is a fleet of its own: real nodes that run the brokers, each a process, and the simulated hosts here.
type simulation struct {
	env     Env
	options Options
	dir     string
	fleet   Fleet

	nodes   []*realNode
	brokers []string // their addresses
	client  *client.Client
	world   *simulated.World

	measured Measured
}

// realNode is the process of a real node.
type realNode struct {
	cmd    *exec.Cmd
	broker string
	ended  chan struct{}
}

func (s *simulation) home() string { return filepath.Join(s.dir, "home") }

// start founds the fleet and returns when the brokers know every host.
func (s *simulation) start(ctx context.Context) error {
	for i := range s.options.Brokers {
		name := "broker" + strconv.Itoa(i+1)
		if i == 0 {
			var err error
			if s.fleet, err = s.env.Found(s.home(), filepath.Join(s.dir, name), name); err != nil {
				return err
			}
		}
		if err := s.startNode(ctx, name); err != nil {
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
	s.env.Note("%d simulated hosts made in %s", s.options.Hosts, time.Since(made).Round(time.Millisecond))
	began := time.Now()
	if err := s.world.Connect(ctx); err != nil {
		return err
	}
	s.measured.Connect = milliseconds(time.Since(began))
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.measured.Known = milliseconds(time.Since(began))
	s.measured.MemoryBefore, s.measured.MemoryAfter = before, s.memory()
	return nil
}

// startNode starts a node as a process of its own and waits until it takes jobs.
func (s *simulation) startNode(ctx context.Context, name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	port := s.fleet.Port
	if len(s.nodes) > 0 {
		if port, err = s.env.FreePort(); err != nil {
			return err
		}
	}
	cmd := exec.Command(self, "node", "--data", filepath.Join(s.dir, name), "--name", name, "--listen", loopback, "--advertise", loopback,
		"--gossip-port", "0", "--route-port", "0", "--broker-port", strconv.Itoa(int(port)), "--join", "@"+s.fleet.Token)
	config := filepath.Join(s.dir, "fleet.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return err
	}
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + s.env.Path, "FLEET_CONFIG=" + config} // nothing of this machine's own fleet
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                               // Ctrl-C is for this process, which stops it
	errs, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a node: %w", err)
	}
	n := &realNode{cmd: cmd, broker: net.JoinHostPort(loopback, strconv.Itoa(int(port))), ended: make(chan struct{})}
	s.nodes, s.brokers = append(s.nodes, n), append(s.brokers, n.broker)
	ready := make(chan struct{})
	go n.watch(errs, ready)
	limit := time.NewTimer(readyTime)
	defer limit.Stop()
	select {
	case <-ready:
		return nil
	case <-n.ended:
		return fmt.Errorf("the node of a broker ended before it was ready; try `fleet demo`, which tells more")
	case <-limit.C:
		return fmt.Errorf("the node of a broker was not ready within %s", readyTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch reads what the node says until it ends, and closes ready when it takes jobs.
func (n *realNode) watch(errs io.Reader, ready chan<- struct{}) {
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

func (s *simulation) connect(ctx context.Context) (err error) {
	c := s.fleet.Admin
	c.Brokers, c.Log = s.brokers, slog.New(slog.DiscardHandler)
	s.client, err = client.Connect(ctx, c)
	return err
}

// make makes the hosts, certified by the first node's issuing key.
func (s *simulation) make(ctx context.Context) error {
	m, err := node.ReadMembership(filepath.Join(s.dir, "broker1"))
	if err != nil {
		return err
	}
	roster, err := s.client.Roster(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := identity.NewToken(m.Root, s.fleet.Admin.Key, identity.Record{Role: identity.Member, Created: now, Expires: now.Add(time.Hour)}, s.brokers)
	if err != nil {
		return err
	}
	s.world, err = simulated.New(simulated.Config{
		Root: m.Authority, Token: token, Issuer: identity.Issuer{Key: m.Issuing, Certificate: m.Chain.Issuing}, Roster: roster, Brokers: s.brokers,
		Hosts: s.options.Hosts, Rates: s.options.Rates, Seed: s.options.Seed, Facts: s.options.Facts, Log: slog.New(slog.DiscardHandler),
	})
	return err
}

// settle connects who is not connected, and returns when the brokers know that everybody is there.
func (s *simulation) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := s.world.Connect(ctx); err != nil {
		return err
	}
	return s.await(ctx, s.options.Hosts+len(s.brokers))
}

// await returns when so many hosts are alive, as several answers in a row say: each broker's node has its own view.
func (s *simulation) await(ctx context.Context, hosts int) error {
	alive, agreed := 0, 0
	for agreed < 2*len(s.brokers)-1 {
		members, err := s.client.Members(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("the brokers know %d of %d hosts: %w", alive, hosts, errors.Join(ctx.Err(), err))
		}
		alive = 0
		for _, m := range members {
			if m.Presence == job.Alive {
				alive++
			}
		}
		if agreed++; alive != hosts {
			agreed = 0
			wait.For(ctx, lookAgain)
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
		return err
	}
	<-n.ended
	s.nodes = append(s.nodes[:victim:victim], s.nodes[victim+1:]...)
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for s.world.Brokers()[job.BrokerURL(n.broker)] > 0 || s.world.Connected() < s.options.Hosts {
		if wait.For(ctx, lookAgain) != nil {
			return fmt.Errorf("%d of %d hosts found another broker: %w", s.world.Connected(), s.options.Hosts, ctx.Err())
		}
	}
	back := time.Since(began)
	run, err := s.client.Run(ctx, s.ping(), nil)
	if err != nil {
		return err
	}
	told, _ := s.told(run)
	tally, wrong := s.world.Compare(run.JobID, told, run.Rejected)
	s.differ(run, wrong)
	s.measured.Kill = &Kill{Hosts: most, Back: milliseconds(back), Heard: milliseconds(time.Since(began)), Answered: tally.Answered}
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
		case <-time.After(stopTime):
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
	fmt.Fprintf(s.env.Stderr, "\nThe fleet stays up until Ctrl-C. In another terminal, paste:\n\n    export FLEET_HOME=%s\n    alias fleet=%s\n    fleet ping -o name | wc -l\n    fleet run service nginx restart -W hagroup=c\n",
		s.home(), binary)
}
