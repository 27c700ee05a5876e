package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fleet/cli/report"
	"fleet/client"
	"fleet/internal/nearest"
	"fleet/job"
	"fleet/job/filter"
)

// Every hint stands here, so that they speak with one voice: what to do next, as a line to type where there is one.

func hintNearest(word string, candidates []string) string {
	if len(strings.TrimLeft(word, "-")) < 2 { // one letter is a slip away from every other; only its case can be wrong
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c string) bool { return !strings.EqualFold(c, word) })
	}
	near := nearest.Names(word, candidates, 3)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

func hintHelp(path string) string {
	return "fleet help" + strings.TrimRight(" "+path, " ") + " tells more"
}

// hintForeign says what became of options that people know from elsewhere. A name not in it is just unknown.
func hintForeign(option string) string {
	return map[string]string{
		"--dt":                "fleet knows its hosts and does not wait for discovery; -t limits the wait for answers",
		"--discovery-timeout": "fleet knows its hosts and does not wait for discovery; -t limits the wait for answers",
		"--dm":                "there is only one discovery method; to give a list of hosts: --nodes FILE",
		"-T":                  "fleet has no collectives; select hosts by a fact, a class or a label",
		"--target":            "fleet has no collectives; select hosts by a fact, a class or a label",
		"--nr":                "fleet always waits for answers; -t limits how long",
		"--no-results":        "fleet always waits for answers; -t limits how long",
		"--wf":                "write -W",
		"--wc":                "write -C",
		"--wi":                "write -I",
		"--wa":                "write -A",
	}[option]
}

const (
	hintInit = "to join an existing fleet as an admin: fleet admin keygen; to create a new fleet: fleet init NAME"

	hintStdin = "if you did not mean to pass a host list, add </dev/null (with ssh: ssh -n; also inside a shell's while read loop)"

	hintSlow = "if the list takes longer to arrive, use --nodes - to wait for it"

	hintEmptyList = "an empty list never means every host; if you did not mean to pass a list, add </dev/null"

	hintAll = "add --all to run on every host, or select hosts with -I, -W or another filter (fleet help filters)"

	hintYes = "add -y to confirm; there is no terminal to ask on"
)

func hintBrokers(file string) string {
	return fmt.Sprintf("give a broker with --broker HOST:PORT, or list brokers in %s, one per line", file)
}

func hintSomeHave(hosts int, name string) string {
	if hosts == 1 {
		return fmt.Sprintf("1 host has '%s'", name)
	}
	return fmt.Sprintf("%d hosts have '%s'", hosts, name)
}

const hintEmptyValue = "leave the option out instead; an empty value never means every host"

const hintFilters = "how to select hosts: fleet help filters; what a filter means: fleet filter explain"

// outNearest is the output in which a skipped host says what it has instead.
const outNearest = "nearest"

// maxSomeHave is how many names are suggested.
const maxSomeHave = 3

// hintsFor says what to do next after a run: what the hosts have instead, if all were skipped, or that the filter is to
// be looked at, if it selected nobody.
func hintsFor(r report.Run, f filter.Filter) []string {
	have, skipped := map[string]int{}, 0
	for _, o := range r.Outcomes {
		if o.State.Meaning().Exit != job.ExitNothing {
			continue
		}
		skipped++
		whole, _ := o.Whole() // a hint is not worth an error
		list, _ := whole.Data[outNearest].([]any)
		for _, v := range list {
			if name, ok := v.(string); ok {
				have[name]++
			}
		}
	}
	var hints []string
	if slices.ContainsFunc(r.Outcomes, func(o client.Outcome) bool { return o.Reason == job.ReasonSecond }) {
		hints = append(hints, hintSecond)
	}
	hints = append(hints, r.Hints...)
	switch {
	case len(r.Outcomes) == 0 && !f.IsZero():
		hints = append(hints, "fleet filter explain "+f.String()+" says what was asked for")
	case skipped > 0 && skipped == len(r.Outcomes):
		if len(r.Hints) > 0 {
			return hints
		}
		if len(have) == 0 {
			return []string{"every host skipped it: none of them has what the command names, or it is held there; each line says why"}
		}
		names := make([]string, 0, len(have))
		for n := range have {
			names = append(names, n)
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(have[b], have[a]), strings.Compare(a, b)) })
		for _, n := range names[:min(len(names), maxSomeHave)] {
			hints = append(hints, hintSomeHave(have[n], n))
		}
	}
	return hints
}

// interruptedError names the job, or the plan: hosts go on with what they have accepted.
func interruptedError(id string) error {
	return errors.New("interrupted; hosts that accepted the job finish it; job id " + id)
}

func hintGoesOn(id string) string {
	return "fleet job wait " + id + " shows how it ends, fleet job cancel " + id + " stops it; from any admin's machine"
}

const hintJoin = "give this host a join token: --join @FILE (mode 0600), FLEET_JOIN, or " + joinPath + "; on the first host of a new fleet, run instead: fleet init NAME"

const hintSecond = "run the same command with --for-approval FILE; another admin approves the job with fleet approve ID|FILE; then send it with fleet send"
