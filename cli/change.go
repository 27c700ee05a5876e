package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job/filter"
	"fleet/plugins/plugin"
	"fleet/rollout"
)

// work is one run under way: its options and the connection.
type work struct {
	env    *env
	conn   asker
	o      runOptions
	filter filter.Filter
}

func (w work) request() client.Request {
	return client.Request{
		Plugin: w.o.plugin.Name, Action: w.o.action.Name, Args: w.o.args, Secret: w.o.secret, Filter: w.filter, Reason: w.o.reason,
		Timeout: w.o.conn.wait(w.o.plugin.Limit(w.o.action)), TTL: w.o.scope.ttl,
	}
}

func (w work) report() report.Run {
	return report.Run{Plugin: w.o.plugin.Name, Action: w.o.action, Args: w.o.args, Reason: w.o.reason}
}

func (w work) bar(label string) *report.Bar {
	if !w.o.print.progress {
		return nil
	}
	return report.NewBar(w.env.stderr, label)
}

// ask is one round with a bar over it.
func (w work) ask(ctx context.Context, r client.Request) (client.Run, error) {
	bar := w.bar(w.o.plugin.Name + " " + w.o.action.Name)
	defer bar.Clear()
	return w.conn.Run(ctx, r, w.progress(bar))
}

// progress shows how far a run is, and with --follow what actions print.
func (w work) progress(bar *report.Bar) func(client.Progress) {
	return func(p client.Progress) {
		if p.Says != nil && w.o.follow {
			bar.Clear()
			fmt.Fprint(w.env.stderr, report.Said(*p.Says))
		}
		bar.Update(p.Done, p.Total)
	}
}

// tells reports whether people are told what happens; programs get nothing but errors on stderr.
func (w work) tells() bool {
	return !w.o.print.quiet && (w.o.print.format == report.Table || w.env.stderrTerminal)
}

// atOnce is a read: one round, the filter decides on the hosts.
func (w work) atOnce(ctx context.Context) error {
	run, err := w.ask(ctx, w.request())
	if err != nil && (run.JobID == "" || ctx.Err() == nil) {
		return err
	}
	r := w.report()
	r.Add(run)
	if err == nil {
		r.Hints = hintsNoMatch(ctx, w.conn, w.o.conn, w.filter, r.Results)
	}
	return w.env.show(r, w.o, err != nil, w.filter)
}

// warn tells on stderr, whatever else is to be printed, whose answers cannot be trusted.
func (e *env) warn(duplicates []client.DuplicateKey) {
	for _, d := range duplicates {
		fmt.Fprintf(e.stderr, "warning: %s\n", d.Warning())
	}
}

// warnLeftOut tells which hosts' outputs could not be kept.
func (e *env) warnLeftOut(outcomes []client.Outcome) {
	left := map[string][]client.Outcome{}
	for _, o := range outcomes {
		if o.LeftOut != "" {
			left[o.LeftOut] = append(left[o.LeftOut], o)
		}
	}
	for why, list := range left {
		fmt.Fprintf(e.stderr, "warning: how the action ended is known of %s, but their outputs were left out: %s: %s; set TMPDIR to a directory with more room\n",
			hosts(len(list)), report.Sanitise(foldOutcomes(list)), report.Sanitise(why))
	}
}

// planned asks which hosts match, shows the plan, asks whether it is meant, and only then sends the job to exactly its hosts.
func (w work) planned(ctx context.Context) error {
	bar := w.bar("who matches?")
	question := w.request()
	question.Timeout = w.o.conn.wait(0) // a match runs nothing: it needs none of the action's time
	answers, err := w.conn.Plan(ctx, question, func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if err != nil {
		if ctx.Err() != nil {
			return &problem{ending: endInterrupted, err: errors.New("interrupted while finding matching hosts; nothing was sent")}
		}
		return err
	}
	r := w.report()
	r.Results = client.OfPlan(answers)
	plan := rollout.Build(w.o.scope.Spec, answers.Matched())
	if len(plan.Targets) == 0 {
		r.Hints = hintsNoMatch(ctx, w.conn, w.o.conn, w.filter, r.Results)
		return w.env.show(r, w.o, false, w.filter)
	}
	if w.o.action.Kind != plugin.Read {
		if w.tells() {
			w.tell(answers, plan)
		}
		if err := w.confirm(ctx, plan, r.NoMatch); err != nil {
			return err
		}
	}
	if w.o.forApproval != "" {
		return w.hold(ctx, plan, answers)
	}
	return w.sendAll(ctx, r, plan, answers)
}

// tell says on stderr what is about to happen.
func (w work) tell(answers client.Plan, plan rollout.Plan) {
	names := make([]string, len(plan.Targets))
	for i, t := range plan.Targets {
		names[i] = t.Name
	}
	text := fmt.Sprintf("%s on %d of %s: %s", w.what(), len(plan.Targets), hosts(answers.Fleet), filter.FoldNodes(names))
	if !w.o.scope.Limit.IsZero() {
		text += fmt.Sprintf(" (chosen out of %d; --limit-seed %d chooses them again)", plan.Matching, w.o.scope.Seed)
	}
	if len(plan.Batches) > 1 {
		at := min(len(plan.Targets), plan.Window)
		if plan.Sleep > 0 {
			at = len(plan.Batches[0])
		}
		text += fmt.Sprintf(", %d at a time", at)
		if plan.Sleep > 0 {
			text += fmt.Sprintf(" with %s between", plan.Sleep)
		}
	}
	w.env.note("%s", report.Sanitise(text))
	if n := len(answers.Silent); n > 0 {
		w.env.note("%s did not answer and will be skipped: %s", hosts(n), report.Sanitise(foldOutcomes(answers.Silent)))
	}
	if n := len(answers.Refused); n > 0 {
		w.env.note("%s would refuse: %s", hosts(n), report.Sanitise(foldOutcomes(answers.Refused)))
	}
}

// what is the action with its arguments, as it could be typed.
func (w work) what() string {
	words := []string{w.o.plugin.Name, w.o.action.Name}
	for _, in := range w.o.action.Inputs {
		if v, ok := w.o.args[in.Name]; ok {
			words = append(words, fmt.Sprintf("%s=%v", in.Name, v))
		}
		if _, ok := w.o.secret[in.Name]; ok {
			words = append(words, in.Name+"=(secret)")
		}
	}
	return strings.Join(words, " ")
}

func foldOutcomes(list []client.Outcome) string {
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = o.Name
	}
	return filter.FoldNodes(names)
}

// confirm asks if the change goes to everyone: without a filter, or with one that excluded nobody who answered. Names
// that were typed out need no question.
func (w work) confirm(ctx context.Context, plan rollout.Plan, noMatch int) error {
	_, named := w.filter.Names()
	targets := len(plan.Targets)
	wide := w.filter.IsZero() || !named && noMatch == 0 && targets > 1 && targets == plan.Matching
	if !wide || w.o.all || w.o.yes && (w.env.canAsk || !w.filter.IsZero()) {
		return nil
	}
	why := "no filter was given"
	if !w.filter.IsZero() {
		why = "the filter matches every host that answered"
	}
	if !w.env.canAsk {
		return usagef("%s would change %s: %s; nothing was sent", w.what(), hosts(targets), why).with(hintYes)
	}
	yes, err := w.env.question(ctx, fmt.Sprintf("%s on %s (%s)? [y/N] ", report.Sanitise(w.what()), hosts(targets), why))
	if err != nil {
		return err
	}
	if !yes {
		return &problem{ending: endInterrupted, err: errors.New("not confirmed; nothing was sent")}
	}
	return nil
}

// question asks on the terminal; only y and yes are yes.
func (e *env) question(ctx context.Context, text string) (bool, error) {
	fmt.Fprint(e.stderr, text)
	answer := make(chan string, 1)
	go func() { // outlives this call if ctx ends first; the process then ends as well
		line, err := bufio.NewReader(io.LimitReader(e.stdin, 1024)).ReadString('\n')
		if err != nil && line == "" {
			line = "no"
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return false, &problem{ending: endInterrupted, err: errors.New("interrupted; nothing was sent")}
	case a := <-answer:
		return a == "y" || a == "yes", nil
	}
}

// sendAll sends the plan's batches and shows how they ended.
func (w work) sendAll(ctx context.Context, r report.Run, plan rollout.Plan, answers client.Plan) (err error) {
	request := w.request()
	if len(plan.Batches) > 1 {
		request.Plan.ID = w.env.planID()
		if w.tells() {
			w.env.note("plan %s, in %d jobs (fleet job show|wait|cancel %s)", request.Plan.ID, len(plan.Batches), request.Plan.ID)
		}
	}
	bar := w.bar(w.o.plugin.Name + " " + w.o.action.Name)
	r.Results, err = client.Rollout(ctx, plan, answers, request, r.Results, w.conn.Run, w.progress(bar))
	bar.Clear()
	if err == nil || ctx.Err() != nil {
		return w.env.show(r, w.o, err != nil, w.filter)
	}
	if len(r.Jobs) == 0 {
		return err
	}
	w.env.note("stopped: %s", report.Sanitise(err.Error()))
	return worse(w.env.show(r, w.o, false, w.filter), endFault)
}

// worse gives an error the ending that the report does not know of.
func worse(err error, end ending) error {
	p := &problem{ending: end}
	if err != nil {
		p.hints = asProblem(err).hints
	}
	return p
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}
