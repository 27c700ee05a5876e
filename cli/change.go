package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
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
		Plugin: w.o.plugin.Name, Action: w.o.action.Name, Args: w.o.args, Secret: w.o.secret, Filter: w.filter,
		Timeout: w.o.conn.wait(w.o.plugin.Limit(w.o.action)), TTL: w.o.scope.ttl,
	}
}

func (w work) report() report.Run {
	return report.Run{Plugin: w.o.plugin.Name, Action: w.o.action, Args: w.o.args}
}

func (w work) bar(label string) *report.Bar {
	if !w.o.print.progress {
		return nil
	}
	return report.NewBar(w.env.stderr, label)
}

// ask is one round with a bar over it.
func (w work) ask(ctx context.Context, r client.Request, more string) (client.Run, error) {
	bar := w.bar(w.o.plugin.Name + " " + w.o.action.Name + more)
	defer bar.Clear()
	return w.conn.Run(ctx, r, func(p client.Progress) {
		if p.Says != nil && w.o.follow {
			bar.Clear()
			fmt.Fprint(w.env.stderr, report.Said(*p.Says))
		}
		bar.Update(p.Done, p.Total)
	})
}

// atOnce is a read: one round, the filter decides on the hosts.
func (w work) atOnce(ctx context.Context) error {
	run, err := w.ask(ctx, w.request(), "")
	if err != nil && (run.JobID == "" || ctx.Err() == nil) {
		return err
	}
	r := w.report()
	add(&r, run)
	return w.env.show(r, w.o, err != nil, w.filter)
}

// add puts a batch into the report.
func add(r *report.Run, run client.Run) {
	r.Jobs = append(r.Jobs, run.JobID)
	r.Outcomes = append(r.Outcomes, run.Outcomes...)
	r.NoMatch += run.NoMatch
	r.Rejected += run.Rejected
	r.Expected = max(r.Expected, run.Expected)
	r.Took += run.Took
	r.Twins = withTwins(r.Twins, run.Twins)
}

// withTwins adds to the twins those that are not among them.
func withTwins(twins, more []client.Twin) []client.Twin {
	for _, t := range more {
		if !slices.ContainsFunc(twins, func(known client.Twin) bool { return known.Node == t.Node }) {
			twins = append(twins, t)
		}
	}
	return twins
}

// warn tells on stderr, whatever else is to be printed, whose answers cannot be trusted.
func (e *env) warn(twins []client.Twin) {
	for _, t := range twins {
		fmt.Fprintf(e.stderr, "warning: %s\n", t.Warning())
	}
}

// planned asks who matches, tells, asks whether that is meant, and only then sends the job to exactly these hosts.
func (w work) planned(ctx context.Context) error {
	bar := w.bar("who matches?")
	question := w.request()
	question.Timeout = w.o.conn.wait(0) // a match runs nothing: it needs none of the action's time
	plan, err := w.conn.Plan(ctx, question, func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if err != nil {
		if ctx.Err() != nil {
			return &problem{ending: endInterrupted, err: errors.New("interrupted while finding matching hosts; nothing was sent")}
		}
		return err
	}
	r := w.report()
	r.Expected, r.Twins = plan.Fleet, plan.Twins
	r.Outcomes = slices.Concat(plan.Silent, plan.Refused)
	r.NoMatch = max(0, plan.Fleet-len(plan.Targets)-len(plan.Silent)-len(plan.Refused))
	targets := w.choose(plan.Targets)
	if len(targets) == 0 {
		return w.env.show(r, w.o, false, w.filter)
	}
	batches := w.batches(targets)
	if w.o.action.Kind != plugin.Read {
		if !w.o.print.quiet && (w.o.print.format == report.Table || w.env.stderrTerminal) { // programs get nothing but errors there
			w.tell(plan, targets, batches)
		}
		if err := w.confirm(ctx, plan, targets, r.NoMatch); err != nil {
			return err
		}
	}
	if w.o.forApproval != "" {
		return w.hold(ctx, batches)
	}
	return w.sendAll(ctx, r, batches)
}

// choose takes as many of the targets as --limit allows, at random, by name.
func (w work) choose(targets []client.Target) []client.Target {
	if w.o.scope.limit.IsZero() {
		return targets
	}
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	left := map[string]int{}
	for _, n := range w.o.scope.limit.Pick(names, w.o.scope.seed) {
		left[n]++
	}
	var chosen []client.Target
	for _, t := range targets {
		if left[t.Name] > 0 {
			left[t.Name]--
			chosen = append(chosen, t)
		}
	}
	return chosen
}

// batches are the portions to send one after another: --batch, and never more than one job can name.
func (w work) batches(targets []client.Target) [][]client.Target {
	size := min(w.o.scope.batch.Of(len(targets)), job.MaxTargets)
	return slices.Collect(slices.Chunk(targets, size))
}

// tell says on stderr what is about to happen.
func (w work) tell(plan client.Plan, targets []client.Target, batches [][]client.Target) {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	text := fmt.Sprintf("%s on %d of %s: %s", w.what(), len(targets), hosts(plan.Fleet), filter.FoldNodes(names))
	if !w.o.scope.limit.IsZero() {
		text += fmt.Sprintf(" (chosen out of %d; --limit-seed %d chooses them again)", len(plan.Targets), w.o.scope.seed)
	}
	if len(batches) > 1 {
		text += fmt.Sprintf(", %d at a time", len(batches[0]))
		if w.o.scope.sleep > 0 {
			text += fmt.Sprintf(" with %s between", w.o.scope.sleep)
		}
	}
	w.env.note("%s", report.Sanitise(text))
	if n := len(plan.Silent); n > 0 {
		w.env.note("%s did not answer and will be skipped: %s", hosts(n), report.Sanitise(foldOutcomes(plan.Silent)))
	}
	if n := len(plan.Refused); n > 0 {
		w.env.note("%s would refuse: %s", hosts(n), report.Sanitise(foldOutcomes(plan.Refused)))
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
func (w work) confirm(ctx context.Context, plan client.Plan, targets []client.Target, noMatch int) error {
	_, named := w.filter.Names()
	wide := w.filter.IsZero() || !named && noMatch == 0 && len(targets) > 1 && len(targets) == len(plan.Targets)
	if !wide || w.o.all || w.o.yes && (w.env.canAsk || !w.filter.IsZero()) {
		return nil
	}
	why := "no filter was given"
	if !w.filter.IsZero() {
		why = "the filter matches every host that answered"
	}
	if !w.env.canAsk {
		return usagef("%s would change %s: %s; nothing was sent", w.what(), hosts(len(targets)), why).with(hintYes)
	}
	yes, err := w.env.question(ctx, fmt.Sprintf("%s on %s (%s)? [y/N] ", report.Sanitise(w.what()), hosts(len(targets)), why))
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

// sendAll runs the batches one after another. What an interrupt left over is told as not started.
func (w work) sendAll(ctx context.Context, r report.Run, batches [][]client.Target) error {
	var failed error
	fleet := r.Expected
	for i, batch := range batches {
		if failed == nil && i > 0 && w.o.scope.sleep > 0 {
			failed = pause(ctx, w.o.scope.sleep)
		}
		if failed == nil {
			failed = ctx.Err()
		}
		if failed != nil {
			for _, t := range batch {
				r.NotStarted = append(r.NotStarted, t.Name)
			}
			continue
		}
		request := w.request()
		request.Targets, request.Fleet = batch, fleet
		noMatch := r.NoMatch
		more := ""
		if len(batches) > 1 {
			more = fmt.Sprintf(", batch %d of %d", i+1, len(batches))
		}
		run, err := w.ask(ctx, request, more)
		if run.JobID == "" && err != nil {
			for _, t := range batch {
				r.NotStarted = append(r.NotStarted, t.Name)
			}
		} else {
			add(&r, run)
			r.NoMatch = noMatch // who is not a target is no host that does not match
		}
		failed = err
	}
	if failed == nil || ctx.Err() != nil {
		return w.env.show(r, w.o, failed != nil, w.filter)
	}
	if len(r.Jobs) == 0 {
		return failed
	}
	w.env.note("stopped: %s", report.Sanitise(failed.Error()))
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

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}
