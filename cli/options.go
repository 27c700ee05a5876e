package cli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
	"fleet/rollout"

	ucli "github.com/urfave/cli/v2"
)

// Flags become these options, all checked, before a command does anything.

// selection says which hosts are meant.
type selection struct {
	flags filter.Flags
	nodes []string // files with host names; "-" is standard input
}

func parseSelection(in *ucli.Context) (selection, error) {
	s := selection{flags: filterFlagsOf(in), nodes: in.StringSlice(flagNodes)}
	_, err := filter.Build(s.flags)
	if err != nil {
		return s, usagef("%w", err).with(hintFilters)
	}
	return s, nil
}

func filterFlagsOf(in *ucli.Context) filter.Flags {
	return filter.Flags{
		Identity: in.StringSlice(flagIdentity), With: in.StringSlice(flagWith), Fact: in.StringSlice(flagFact),
		Class: in.StringSlice(flagClass), Agent: in.StringSlice(flagAgent), Select: in.StringSlice(flagSelect),
	}
}

// printing says how the answer is shown.
type printing struct {
	format   report.Format
	progress bool
	verbose  bool
	quiet    bool
}

func (e *env) parsePrinting(in *ucli.Context, c Config) (printing, error) {
	p := printing{format: report.Table, verbose: in.Bool(flagVerbose), quiet: in.Bool(flagQuiet)}
	p.progress = e.stderrTerminal && !in.Bool(flagNoProgress) && !p.quiet
	name := c.Output
	switch {
	case in.Bool(flagJSON) && in.IsSet(flagOutput):
		return p, usagef("-j and -o exclude each other; use one of them")
	case in.Bool(flagJSON):
		name = string(report.JSON)
	case in.IsSet(flagOutput):
		name = in.String(flagOutput)
	}
	if p.verbose && p.quiet {
		return p, usagef("-v and -q exclude each other; use one of them")
	}
	if name != "" {
		f, err := report.ParseFormat(name)
		if err != nil {
			return p, usagef("-o: %w", err)
		}
		p.format = f
	}
	return p, nil
}

// scope says how many of the matching hosts, in which portions.
type scope struct {
	rollout.Spec
	ttl time.Duration
}

// planned reports whether the exact targets must be known before anything is asked of them.
func (s scope) planned() bool { return !s.Limit.IsZero() || !s.Batch.IsZero() }

func (e *env) parseScope(in *ucli.Context) (s scope, err error) {
	switch {
	case in.Bool(flagOne) && in.IsSet(flagLimit):
		return s, usagef("-1 and --limit exclude each other; use one of them")
	case in.Bool(flagOne):
		s.Limit, err = filter.ParseLimit("1")
	case in.IsSet(flagLimit):
		s.Limit, err = filter.ParseLimit(in.String(flagLimit))
	}
	if err != nil {
		return s, usagef("--limit: %w", err)
	}
	s.Seed = e.seed()
	if in.IsSet(flagLimitSeed) {
		if s.Limit.IsZero() {
			return s, usagef("--limit-seed has no effect without --limit")
		}
		if s.Seed, err = strconv.ParseInt(in.String(flagLimitSeed), 10, 64); err != nil {
			return s, usagef("--limit-seed: %q is not a whole number", in.String(flagLimitSeed))
		}
	}
	if in.IsSet(flagBatch) {
		if s.Batch, err = filter.ParseLimit(in.String(flagBatch)); err != nil {
			return s, usagef("--batch: %w", err)
		}
	}
	if in.IsSet(flagBatchSleep) {
		if s.Batch.IsZero() {
			return s, usagef("--batch-sleep has no effect without --batch")
		}
		if s.Sleep, err = parseSeconds(in.String(flagBatchSleep)); err != nil {
			return s, usagef("--batch-sleep: %w", err)
		}
	}
	if in.IsSet(flagTTL) {
		if s.ttl, err = parseSeconds(in.String(flagTTL)); err != nil {
			return s, usagef("--ttl: %w", err)
		}
		if s.ttl > job.MaxLife {
			return s, usagef("--ttl: at most %s, since hosts remember a job only that long", job.MaxLife)
		}
	}
	return s, nil
}

// parseReason reads why a job is sent.
func parseReason(in *ucli.Context) (string, error) {
	reason := strings.TrimSpace(in.String(flagReason))
	if err := job.CheckReason(reason); err != nil {
		return "", usagef("--%s: %w", flagReason, err)
	}
	return reason, nil
}

// longestTime bounds every time given: nobody waits longer than a day at a terminal.
const longestTime = 24 * time.Hour

// parseSeconds reads a number of seconds, or a duration with units such as 1m30s.
func parseSeconds(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if n, notNumber := strconv.ParseFloat(s, 64); notNumber == nil {
		if math.IsNaN(n) || math.Abs(n) > longestTime.Seconds() {
			return 0, fmt.Errorf("%q seconds is too long; at most %s", s, longestTime)
		}
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration; use seconds, or for example 30s or 2m", s)
	case d <= 0:
		return 0, fmt.Errorf("%q must be greater than zero", s)
	case d > longestTime:
		return 0, fmt.Errorf("%q is too long; at most %s", s, longestTime)
	}
	return d, nil
}

func parseDisplay(in *ucli.Context, a plugin.Action) (plugin.Display, error) {
	if !in.IsSet(flagDisplay) {
		return a.Display, nil
	}
	switch in.String(flagDisplay) {
	case "ok":
		return plugin.DisplayOK, nil
	case "all":
		return plugin.DisplayAlways, nil
	case "failed":
		return plugin.DisplayFailed, nil
	}
	return "", usagef("--display: %q is not one of ok, all, failed", in.String(flagDisplay))
}

func parseSort(in *ucli.Context) (report.Order, error) {
	if !in.IsSet(flagSort) {
		return report.ByName, nil
	}
	o := report.Order(in.String(flagSort))
	if !slices.Contains(report.Orders, o) {
		return "", usagef("--sort: %q is not one of name, time, state", in.String(flagSort))
	}
	return o, nil
}

// wantsJSON guesses whether errors should be JSON, also for lines that cannot be parsed.
func wantsJSON(args []string, getenv func(string) string) bool {
	for i, word := range args {
		switch word {
		case "--":
			return strings.HasPrefix(getenv(envOutput), "json")
		case "-j", "--json":
			return true
		case "-o", "--output":
			return i+1 < len(args) && strings.HasPrefix(args[i+1], "json")
		}
		for _, lead := range []string{"--output=", "-o=", "-o"} {
			if value, ok := strings.CutPrefix(word, lead); ok {
				return strings.HasPrefix(value, "json")
			}
		}
	}
	return strings.HasPrefix(getenv(envOutput), "json")
}
