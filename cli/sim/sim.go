package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
	simulated "fleet/node/sim"
)

// Options is what was asked for, checked.
type Options struct {
	Hosts, Rounds, Brokers int
	Rates                  simulated.Rates
	Seed                   uint64
	Facts                  int           // bytes of facts that each host has
	Timeout                time.Duration // of one round
	Kill, Keep             bool
	Profile                string // a file; "": none
	Format                 report.Format
}

// Env is what the simulation needs of the command line.
type Env struct {
	Stdout, Stderr io.Writer
	Note           func(format string, args ...any) // a line for people
	Path           string                           // PATH of the nodes
	FreePort       func() (uint16, error)           // on loopback
	// Found creates a fleet whose admin has the directory home and whose first node has the directory data.
	Found func(home, data, name string) (Fleet, error)
}

// Fleet is a fleet on loopback that was just created.
type Fleet struct {
	Admin client.Config // without brokers
	Token string        // the file with the token that lets nodes in
	Port  uint16        // of the first node's broker
}

// Run makes the fleet, asks it, prints what was measured and takes all of it down again. It blocks until then; with Keep, until ctx
// ends. It is an error if the client's report differs from what the hosts did.
func Run(ctx context.Context, o Options, e Env) (err error) {
	dir, err := os.MkdirTemp("", "fleet-sim-")
	if err != nil {
		return err
	}
	s := simulation{env: e, options: o, dir: dir, measured: Measured{Hosts: o.Hosts, Brokers: o.Brokers}}
	defer func() { err = errors.Join(err, s.stop(), os.RemoveAll(dir)) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.profiled(func() error { return s.askAll(ctx) }); err != nil {
		return err
	}
	if o.Kill {
		if err := s.killBroker(ctx); err != nil {
			return err
		}
	}
	out, err := s.measured.Render(o.Format)
	if err != nil {
		return err
	}
	if _, err := e.Stdout.Write(out); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	if o.Keep {
		s.invite()
		<-ctx.Done() // Ctrl-C is how it ends
	}
	if n := s.measured.Differences; n > 0 {
		return fmt.Errorf("the client's report differs from what the hosts did, %d times", n)
	}
	return nil
}

// profiled runs f, with a CPU profile of this process if that is wanted.
func (s *simulation) profiled(f func() error) (err error) {
	if s.options.Profile == "" {
		return f()
	}
	file, err := os.Create(s.options.Profile)
	if err != nil {
		return fmt.Errorf("--profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("--profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

func (s *simulation) askAll(ctx context.Context) error {
	status := client.Request{Plugin: "service", Action: "status", Args: map[string]any{"service": "nginx"}, Timeout: s.options.Timeout}
	if err := s.ask(ctx, "ping", s.ping()); err != nil {
		return err
	}
	return s.ask(ctx, "service nginx status", status)
}

func (s *simulation) ping() client.Request {
	return client.Request{Plugin: "rpcutil", Action: "ping", Timeout: s.options.Timeout}
}

// ask asks all hosts as often as was wanted, and compares.
func (s *simulation) ask(ctx context.Context, name string, r client.Request) error {
	measured := Question{Name: name}
	var cpuHere, cpuBrokers time.Duration
	for range s.options.Rounds {
		here, brokers := s.cpu()
		run, err := s.client.Run(ctx, r, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		hereAfter, brokersAfter := s.cpu()
		cpuHere, cpuBrokers = cpuHere+hereAfter-here, cpuBrokers+brokersAfter-brokers
		told, latest := s.told(run)
		tally, wrong := s.world.Compare(run.JobID, told, run.Rejected)
		s.world.Forget(run.JobID)
		s.differ(run, wrong)
		measured.Ended, measured.Last = append(measured.Ended, milliseconds(run.Took)), append(measured.Last, milliseconds(latest))
		measured.Answered, measured.Silent, measured.Rejected = tally.Answered, tally.Silent, tally.Rejected
		if err := s.settle(ctx); err != nil { // those that closed their connection come back
			return err
		}
	}
	each := float64(s.options.Rounds * s.options.Hosts)
	measured.CPUHere, measured.CPUBroker = float64(cpuHere.Microseconds())/each, float64(cpuBrokers.Microseconds())/each
	s.measured.Questions = append(s.measured.Questions, measured)
	return nil
}

// told is how the run says that each host ended, and when the last answer came.
func (s *simulation) told(run client.Run) (map[string]string, time.Duration) {
	told := make(map[string]string, len(run.Outcomes))
	var latest time.Duration
	for _, o := range run.Outcomes {
		told[o.Name] = string(o.State)
		if o.State != job.Silent {
			latest = max(latest, o.RTT)
		}
	}
	return told, latest
}

// maxDifferences is how many are printed; one is enough to fail.
const maxDifferences = 10

// differ notes and prints what is wrong with a run's account, also of the real nodes beside the brokers.
func (s *simulation) differ(run client.Run, wrong []simulated.Difference) {
	if all := s.options.Hosts + s.options.Brokers; len(run.Outcomes) != all || run.Expected != all || run.NoMatch != 0 {
		wrong = append(wrong, simulated.Difference{Host: "the run", Did: fmt.Sprintf("should be about %d hosts", all),
			Told: fmt.Sprintf("%d outcomes, %d expected, %d that do not match", len(run.Outcomes), run.Expected, run.NoMatch)})
	}
	s.measured.Differences += len(wrong)
	for _, d := range wrong[:min(len(wrong), maxDifferences)] {
		s.env.Note("%s: %s, and the client says: %s", report.Sanitise(d.Host), report.Sanitise(d.Did), report.Sanitise(d.Told))
	}
	if len(wrong) > maxDifferences {
		s.env.Note("and %d more", len(wrong)-maxDifferences)
	}
}
