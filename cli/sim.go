package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
	"fleet/node/sim"

	ucli "github.com/urfave/cli/v2"
)

const (
	simFlags    = "The simulation"
	flagRounds  = "rounds"
	flagLying   = "lying"
	flagFailing = "failing"
	flagLag     = "lag"
	flagRandom  = "random"
	flagBrokers = "brokers"
	flagKill    = "kill"
	flagKeep    = "keep"
	flagProfile = "profile"

	simTimeout = 10 * time.Second // beyond the longest lag
	simBrokers = 5                // at most
)

func simVerb() verb {
	return verb{
		name: "sim", group: groupLearn, brief: "measure with thousands of simulated hosts on this machine", takes: "HOSTS", atLeast: 1, atMost: 1,
		about: []string{
			"Creates a fleet in a temporary directory, starts its broker as a process, and connects simulated hosts to it: each with its own keys, certificate, TLS " +
				"connection and gate, but with plugins that do nothing. Then it sends them jobs as an admin does and shows how long they take.",
			"Hosts lie, lag and fail as requested. What each host did is compared with what the client reports; any difference makes the command exit with 1. " +
				"Lying and failing hosts end up silent, so a round with such hosts takes as long as --timeout.",
			"Each host needs a connection in this process and one in the broker's: for more than a thousand hosts, raise `ulimit -n`. Nothing is left behind.",
		},
		examples: []example{
			{"fleet sim 1000", "how long a ping and a run take with a thousand hosts"},
			{"fleet sim 500 --lying 1% --lag 50ms:5% --failing 2% --random 7", "some lie, some answer late, some not at all"},
			{"fleet sim 1000 --brokers 2 --kill", "also time how long hosts take to find the other broker when theirs dies"},
			{"fleet sim 5000 --keep", "stay up, with lines to paste into another terminal"},
		},
		flags: []ucli.Flag{
			text(simFlags, flagRounds, "", "`N`: how many times to ask (default 5)"),
			text(simFlags, flagLying, "", "`N%`: share of hosts that send false answers"),
			text(simFlags, flagFailing, "", "`N%`: share of hosts that do not answer or close their connection"),
			text(simFlags, flagLag, "", "`DURATION:N%`: mean delay, and share of hosts that answer late: 50ms:5%"),
			text(simFlags, flagRandom, "", "`NUMBER`: seed that chooses which hosts misbehave (default 1)"),
			text(simFlags, flagBrokers, "", "`N`: real nodes that run a broker, 1 to 5 (default 1)"),
			toggle(simFlags, flagKill, "", "at the end, kill a broker and time how long its hosts take to move to the others"),
			text(simFlags, flagProfile, "", "`FILE`: write a CPU profile of this process while it sends jobs, for go tool pprof"),
			toggle(simFlags, flagKeep, "", "keep running until Ctrl-C"),
			timeoutFlag(),
			text(whatToPrint, flagOutput, "o", "`FORMAT`: table or json"),
			toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
		},
		endings: []ending{endFault},
		do: func(e *env, in *ucli.Context) error {
			o, err := parseSim(in)
			if err != nil {
				return err
			}
			p, err := e.parsePrinting(in, Config{})
			if err != nil {
				return err
			}
			if o.format = p.format; o.format != report.Table && o.format != report.JSON {
				return usagef("-o %s: this command supports only table and json", o.format)
			}
			return e.sim(in.Context, o)
		},
	}
}

// simOptions is a checked command line.
type simOptions struct {
	hosts, rounds, brokers int
	rates                  sim.Rates
	seed                   uint64
	timeout                time.Duration
	kill, keep             bool
	profile                string
	format                 report.Format
}

func parseSim(in *ucli.Context) (o simOptions, err error) {
	o = simOptions{rounds: 5, brokers: 1, seed: 1, kill: in.Bool(flagKill), keep: in.Bool(flagKeep), profile: in.String(flagProfile)}
	if o.hosts, err = strconv.Atoi(in.Args().First()); err != nil || o.hosts < 1 || o.hosts > sim.MaxHosts {
		return o, usagef("%q is not a number of hosts from 1 to %d", in.Args().First(), sim.MaxHosts)
	}
	if o.rounds, err = parseCount(in, flagRounds, o.rounds, 1000); err != nil {
		return o, err
	}
	if o.brokers, err = parseCount(in, flagBrokers, o.brokers, simBrokers); err != nil {
		return o, err
	}
	if o.kill && o.brokers < 2 {
		return o, usagef("--kill: the hosts need another broker to go to; add --brokers 2")
	}
	if in.IsSet(flagRandom) {
		if o.seed, err = strconv.ParseUint(in.String(flagRandom), 10, 64); err != nil {
			return o, usagef("--random: %q is not a number", in.String(flagRandom))
		}
	}
	if o.rates, err = parseRates(in); err != nil {
		return o, err
	}
	if err := o.rates.Check(); err != nil {
		return o, usagef("%w", err)
	}
	o.timeout = simTimeout + o.rates.Worst()
	if in.IsSet(flagTimeout) {
		if o.timeout, err = parseSeconds(in.String(flagTimeout)); err != nil {
			return o, usagef("--timeout: %w", err)
		}
	}
	return o, nil
}

func parseCount(in *ucli.Context, flag string, otherwise, most int) (int, error) {
	if !in.IsSet(flag) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(in.String(flag))
	if err != nil || n < 1 || n > most {
		return 0, usagef("--%s: %q is not a number from 1 to %d", flag, in.String(flag), most)
	}
	return n, nil
}

func parseRates(in *ucli.Context) (r sim.Rates, err error) {
	if in.IsSet(flagLying) {
		if r.Lying, err = parseShare(flagLying, in.String(flagLying)); err != nil {
			return r, err
		}
	}
	if in.IsSet(flagFailing) {
		if r.Failing, err = parseShare(flagFailing, in.String(flagFailing)); err != nil {
			return r, err
		}
	}
	if in.IsSet(flagLag) {
		mean, share, ok := strings.Cut(in.String(flagLag), ":")
		if r.Lag, err = time.ParseDuration(mean); err != nil || !ok {
			return r, usagef("--lag: %q is not DURATION:N%%, such as 50ms:5%%", in.String(flagLag))
		}
		r.Lagging, err = parseShare(flagLag, share)
	}
	return r, err
}

// parseShare reads a percentage as a share of 1.
func parseShare(flag, text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(share >= 0 && share <= 100) {
		return 0, usagef("--%s: %q is not a percentage such as 0.1%%", flag, text)
	}
	return share / 100, nil
}

func (e *env) sim(ctx context.Context, o simOptions) (err error) {
	dir, err := os.MkdirTemp("", "fleet-sim-")
	if err != nil {
		return faultf("%w", err)
	}
	s := simulation{env: e, options: o, dir: dir, measured: report.Sim{Hosts: o.hosts, Brokers: o.brokers}}
	defer func() { err = errors.Join(err, s.stop(), os.RemoveAll(dir)) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.profiled(func() error { return s.askAll(ctx) }); err != nil {
		return err
	}
	if o.kill {
		if err := s.killBroker(ctx); err != nil {
			return err
		}
	}
	out, err := s.measured.Render(o.format)
	if err != nil {
		return faultf("%w", err)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	if o.keep {
		s.invite()
		<-ctx.Done() // Ctrl-C is how it ends
	}
	if n := s.measured.Differences; n > 0 {
		return faultf("the client's report differs from what the hosts did, %d times", n)
	}
	return nil
}

// profiled runs f, with a CPU profile of this process if that is wanted.
func (s *simulation) profiled(f func() error) (err error) {
	if s.options.profile == "" {
		return f()
	}
	file, err := os.Create(s.options.profile)
	if err != nil {
		return faultf("--profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return faultf("--profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

func (s *simulation) askAll(ctx context.Context) error {
	timeout := s.options.timeout
	for _, q := range []question{
		{"ping", client.Request{Plugin: selfPlugin, Action: actionPing, Timeout: timeout}},
		{"service nginx status", client.Request{Plugin: "service", Action: "status", Args: map[string]any{"service": "nginx"}, Timeout: timeout}},
	} {
		if err := s.ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// question is what is asked round by round.
type question struct {
	name    string
	request client.Request
}

// ask asks all hosts as often as was wanted, and compares.
func (s *simulation) ask(ctx context.Context, q question) error {
	measured := report.SimQuestion{Name: q.name}
	var cpuHere, cpuBrokers time.Duration
	for range s.options.rounds {
		here, brokers := s.cpu()
		run, err := s.client.Run(ctx, q.request, nil)
		if err != nil {
			return faultf("%s: %w", q.name, err)
		}
		hereAfter, brokersAfter := s.cpu()
		cpuHere, cpuBrokers = cpuHere+hereAfter-here, cpuBrokers+brokersAfter-brokers
		told, latest := s.told(run)
		tally, wrong := s.world.Compare(run.JobID, told, run.Rejected)
		s.world.Forget(run.JobID)
		s.differ(run, wrong)
		measured.Ended, measured.Last = append(measured.Ended, report.Milliseconds(run.Took)), append(measured.Last, report.Milliseconds(latest))
		measured.Answered, measured.Silent, measured.Rejected = tally.Answered, tally.Silent, tally.Rejected
		if err := s.settle(ctx); err != nil { // those that closed their connection come back
			return err
		}
	}
	each := float64(s.options.rounds * s.options.hosts)
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
func (s *simulation) differ(run client.Run, wrong []sim.Difference) {
	if all := s.options.hosts + s.options.brokers; len(run.Outcomes) != all || run.Expected != all || run.NoMatch != 0 {
		wrong = append(wrong, sim.Difference{Host: "the run", Did: fmt.Sprintf("should be about %d hosts", all),
			Told: fmt.Sprintf("%d outcomes, %d expected, %d that do not match", len(run.Outcomes), run.Expected, run.NoMatch)})
	}
	s.measured.Differences += len(wrong)
	for _, d := range wrong[:min(len(wrong), maxDifferences)] {
		s.env.note("%s: %s, and the client says: %s", report.Sanitise(d.Host), report.Sanitise(d.Did), report.Sanitise(d.Told))
	}
	if len(wrong) > maxDifferences {
		s.env.note("and %d more", len(wrong)-maxDifferences)
	}
}
