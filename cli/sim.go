package cli

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/cli/sim"
	"fleet/identity"
	simulated "fleet/node/sim"

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
	flagFacts   = "facts"
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
			text(simFlags, flagFacts, "", "`KB`: how many kilobytes of facts each host has in its inventory, 1 to 400 (default: one fact)"),
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
			if o.Format = p.format; o.Format != report.Table && o.Format != report.JSON {
				return usagef("-o %s: this command supports only table and json", o.Format)
			}
			return sim.Run(in.Context, o, e.simulation())
		},
	}
}

func parseSim(in *ucli.Context) (o sim.Options, err error) {
	o = sim.Options{Rounds: 5, Brokers: 1, Seed: 1, Kill: in.Bool(flagKill), Keep: in.Bool(flagKeep), Profile: in.String(flagProfile)}
	if o.Hosts, err = strconv.Atoi(in.Args().First()); err != nil || o.Hosts < 1 || o.Hosts > simulated.MaxHosts {
		return o, usagef("%q is not a number of hosts from 1 to %d", in.Args().First(), simulated.MaxHosts)
	}
	if o.Rounds, err = parseCount(in, flagRounds, o.Rounds, 1000); err != nil {
		return o, err
	}
	if o.Brokers, err = parseCount(in, flagBrokers, o.Brokers, simBrokers); err != nil {
		return o, err
	}
	if o.Facts, err = parseCount(in, flagFacts, 0, 400); err != nil {
		return o, err
	}
	o.Facts *= 1000
	if o.Kill && o.Brokers < 2 {
		return o, usagef("--kill: the hosts need another broker to go to; add --brokers 2")
	}
	if in.IsSet(flagRandom) {
		if o.Seed, err = strconv.ParseUint(in.String(flagRandom), 10, 64); err != nil {
			return o, usagef("--random: %q is not a number", in.String(flagRandom))
		}
	}
	if o.Rates, err = parseRates(in); err != nil {
		return o, err
	}
	if err := o.Rates.Check(); err != nil {
		return o, usagef("%w", err)
	}
	o.Timeout = simTimeout + o.Rates.Worst()
	if in.IsSet(flagTimeout) {
		if o.Timeout, err = parseSeconds(in.String(flagTimeout)); err != nil {
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

func parseRates(in *ucli.Context) (r simulated.Rates, err error) {
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

// simulation is what the simulation needs of the command line.
func (e *env) simulation() sim.Env {
	return sim.Env{
		Stdout: e.stdout, Stderr: e.stderr, Note: e.note, Path: e.getenv("PATH"), FreePort: freePort,
		Found: func(home, data, name string) (sim.Fleet, error) {
			at, err := foundLocally("sim", home, data, name)
			if err != nil {
				return sim.Fleet{}, err
			}
			keys := &keyring{opened: map[string]identity.Signer{}}
			admin, err := connection{home: home, key: filepath.Join(home, keyFile), keys: keys, brokers: []string{at.broker()}}.config()
			return sim.Fleet{Admin: admin, Token: filepath.Join(home, tokenFile), Port: at.brokerPort}, err
		},
	}
}
