package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job/filter"
	"fleet/plugins/answers"
)

// When a filter selects nobody, the hosts are asked which of its facts and classes they know, and what they have that is
// like the others: the usual reason is a slip of the keyboard or another case of letters.

const (
	actionNames  = "names"
	inputFacts   = "facts" // and the outputs of the same names
	inputClasses = "classes"

	nobodyWait = 3 * time.Second // for hints alone nobody waits longer
	maxAsked   = 8               // names of facts, and as many of classes
)

// hintsNobody asks why the filter selected nobody. Without an answer there are no hints: an older host does not know the
// action, and policy may not allow it.
func hintsNobody(ctx context.Context, conn asker, o connection, facts, classes []string) []string {
	facts, classes = askable(facts), askable(classes)
	if len(facts)+len(classes) == 0 || ctx.Err() != nil {
		return nil
	}
	args := map[string]any{}
	if len(facts) > 0 {
		args[inputFacts] = strings.Join(facts, ",")
	}
	if len(classes) > 0 {
		args[inputClasses] = strings.Join(classes, ",")
	}
	run, err := conn.Run(ctx, client.Request{Plugin: selfPlugin, Action: actionNames, Args: args, Timeout: min(o.wait(0), nobodyWait)}, nil)
	if err != nil {
		return nil
	}
	var ofFacts, ofClasses []map[string][]string
	for _, o := range run.Outcomes {
		if names, ok := report.Read[answers.Names](&o); ok {
			ofFacts, ofClasses = append(ofFacts, names.Facts), append(ofClasses, names.Classes)
		}
	}
	var hints []string
	for _, name := range facts {
		if n := countNames(ofFacts, name); n.asked > 0 {
			hints = append(hints, n.hint("the fact "+name, "fleet facts "+name+" counts its values", "fleet facts lists all facts"))
		}
	}
	for _, name := range classes {
		if n := countNames(ofClasses, name); n.asked > 0 {
			hints = append(hints, n.hint("the class "+name, "", "fleet inventory HOST shows a host's classes"))
		}
	}
	return hints
}

// askable are the names that fit into the question.
func askable(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" || strings.Contains(n, ",") })
	return names[:min(len(names), maxAsked)]
}

// known is how many hosts have a name, and how many have what is like it.
type known struct {
	asked, have int
	like        map[string]int
}

// countNames adds up what each host has by that name, or like it.
func countNames(hosts []map[string][]string, name string) known {
	k := known{asked: len(hosts), like: map[string]int{}}
	for _, names := range hosts {
		for _, text := range names[name] {
			switch text {
			case "":
			case name:
				k.have++
			default:
				k.like[text]++
			}
		}
	}
	return k
}

// hint says who has it, what some have instead, and what to type next.
func (k known) hint(what, some, none string) string {
	if k.have > 0 {
		text := fmt.Sprintf("%d of %s %s %s", k.have, hosts(k.asked), have(k.have), what)
		if k.have == k.asked && k.have > 1 {
			text = fmt.Sprintf("all %s have %s", hosts(k.asked), what)
		}
		if some != "" {
			text += "; " + some
		}
		return text
	}
	text := fmt.Sprintf("no host has %s", what)
	names := make([]string, 0, len(k.like))
	for n := range k.like {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(k.like[b], k.like[a]), strings.Compare(a, b)) })
	var parts []string
	for _, n := range names[:min(len(names), maxSomeHave)] {
		parts = append(parts, fmt.Sprintf("%s %s %s", hosts(k.like[n]), have(k.like[n]), n))
	}
	if len(parts) == 0 {
		return text + "; " + none
	}
	return text + "; " + strings.Join(parts, ", ")
}

func have(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// hintsNoMatch are the hints for a filter, if it selected nobody.
func hintsNoMatch(ctx context.Context, conn asker, o connection, f filter.Filter, r client.Results) []string {
	if !nobody(r.Outcomes, r.NoMatch) {
		return nil
	}
	facts, classes := f.Mentions()
	return hintsNobody(ctx, conn, o, facts, classes)
}

// nobody reports whether no host said that it matches, but some said that they do not.
func nobody(outcomes []client.Outcome, noMatch int) bool {
	return noMatch > 0 && !slices.ContainsFunc(outcomes, func(o client.Outcome) bool { return o.State.Meaning().Answered })
}
