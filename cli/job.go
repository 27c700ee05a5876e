package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

// The plugin by which nodes tell of jobs that came to them.
const (
	jobsPlugin   = "jobs"
	actionList   = "list"
	actionShow   = "show"
	actionCancel = "cancel"
	inputID      = "id"

	// waitEvery is how often fleet job wait asks.
	waitEvery = time.Second
	// nextPortion is how long it waits for the next portion of a plan: whoever sends it may have been stopped.
	nextPortion = 30 * time.Second
)

func jobVerb() verb {
	return verb{
		name: "job", group: groupAsk, brief: "list, show, wait for or cancel past jobs", takes: "list|show|wait|output|cancel",
		about: []string{
			"Hosts remember changes and how they ended for seven days, and their answers as long as there is room (64 MiB per host). For reads they keep only the newest answers, until the node stops. " +
				"So any admin can look at, wait for or cancel a run from any machine, also one that was interrupted or that another admin started.",
			"A change for more than 500 hosts, or with --batch, goes out in several jobs. It has one id, that of its plan, which fleet prints when it sends the change and which all of these commands take.",
		},
		examples: []example{
			{"fleet job list", "recent changes and how they ended"},
			{"fleet job show 01KANSNYG0XJ5B4V0D3F6A7C8E", "how one job ended on each host"},
		},
		endings:  []ending{},
		subverbs: []verb{jobListVerb(), jobShowVerb(), jobWaitVerb(), jobOutputVerb(), jobCancelVerb()},
	}
}

func jobListVerb() verb {
	return verb{
		name: "list", brief: "list recent changes, newest first",
		about: []string{"Asks every matching host for its newest changes. Reads are not listed."},
		examples: []example{
			{"fleet job list", "the newest changes on all hosts"},
			{"fleet job list -I web1 --limit 100", "one host, further back"},
		},
		flags: append(append(hostFlags(), text(whatToPrint, flagLimit, "", "`N`: the newest N changes of each host (default 20, at most 200)")),
			append(printFlags("no more detail about hosts"), connectionFlags()...)...),
		endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			words := map[string]string{}
			if in.IsSet(flagLimit) {
				words["limit"] = in.String(flagLimit)
			}
			o, err := e.parseAsk(in, jobsPlugin, actionList, words)
			if err != nil {
				return err
			}
			r, lists, f, err := lookFor[answers.Jobs](in.Context, e, o)
			if err != nil {
				return err
			}
			out, err := report.JobList(r, lists).Render(o.print.format)
			return e.told(out, err, r, f)
		},
	}
}

func jobShowVerb() verb {
	return verb{
		name: "show", brief: "show a job's state on each host", takes: "ID", atLeast: 1, atMost: 1,
		about: []string{"Asks every host and shows the answers as the run itself would have. A host that is a target of the job but does not know it, or does not answer now, is named as silent. " +
			"The exit code is that of the run; hosts where it is still running count as ok."},
		examples: []example{
			{"fleet job show 01KANSNYG0XJ5B4V0D3F6A7C8E", "after an interrupt, or from another machine"},
			{"fleet job show 01KANSNYG0XJ5B4V0D3F6A7C8E -o json", "all outputs, as JSON"},
		},
		flags: append(quietly("every output of every host"), connectionFlags()...), endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			o, past, err := e.lookBack(in)
			if err != nil {
				return err
			}
			return e.showPast(past, o, in.Context.Err() != nil)
		},
	}
}

func jobWaitVerb() verb {
	return verb{
		name: "wait", brief: "wait until a job has ended on every host", takes: "ID", atLeast: 1, atMost: 1,
		about: []string{"Asks every second, like fleet job show, until the job is running on no host that answers, and then shows how it ended. Of a change that goes out in several jobs it waits for all of them, " +
			"but no longer than 30 s for the next one."},
		examples: []example{{"fleet job wait 01KANSNYG0XJ5B4V0D3F6A7C8E", "a long upgrade whose client was interrupted"}},
		flags:    append(quietly("every output of every host"), connectionFlags()...), endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseJob(in, actionShow)
			if err != nil {
				return err
			}
			missing, since := -1, time.Now()
			for {
				past, err := e.pastJob(in.Context, o)
				if err != nil {
					return err
				}
				if n := past.Missing(); n != missing {
					missing, since = n, time.Now()
				}
				if past.Running() == 0 && (missing == 0 || time.Since(since) > nextPortion) {
					return e.showPast(past, o, in.Context.Err() != nil)
				}
				if wait.For(in.Context, waitEvery) != nil {
					return e.showPast(past, o, true)
				}
			}
		},
	}
}

func jobCancelVerb() verb {
	return verb{
		name: "cancel", brief: "stop a running job and keep it from starting on more hosts", takes: "ID", atLeast: 1, atMost: 1,
		about: []string{
			"Tells every running host. Where the job is running, the action is stopped as if it had timed out; it may be half done, and the host reports that to the admin who sent the job. Where the job has not arrived yet, it never runs. Where it has ended, nothing happens.",
			"You need a role that allows jobs.cancel, also for your own jobs. A host that does not answer is named: the job may still run there until it expires.",
		},
		examples: []example{{"fleet job cancel 01KANSNYG0XJ5B4V0D3F6A7C8E", "the wrong job was sent"}},
		flags:    append(append([]ucli.Flag{toggle(foundFlags, flagYes, "y", "answer yes to the question"), reasonFlag()}, quietly("a line for each host")...), connectionFlags()...),
		endings:  []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do: func(e *env, in *ucli.Context) error {
			o, past, err := e.lookBack(in)
			if err != nil {
				return err
			}
			if err := e.sure(in.Context, in, "cancel "+report.Sanitise(past.Title())); err != nil {
				return err
			}
			if o.action, err = e.action(jobsPlugin, actionCancel); err != nil {
				return err
			}
			r, err := e.everywhere(in.Context, o, nil)
			if err != nil {
				return err
			}
			return e.show(r, runOptions{print: o.print, view: o.view}, in.Context.Err() != nil, filter.Filter{})
		},
	}
}

// parseJob reads a command line that names one job.
func (e *env) parseJob(in *ucli.Context, action string) (lookOptions, error) {
	id := strings.ToUpper(in.Args().First())
	if !job.ValidID(id) {
		return lookOptions{}, usagef("%q is not a job id (26 letters and digits)", in.Args().First()).with("to see recent jobs: fleet job list")
	}
	return e.parseAsk(in, jobsPlugin, action, map[string]string{inputID: id})
}

// lookBack reads a command line that names one job, and asks every host for it.
func (e *env) lookBack(in *ucli.Context) (lookOptions, report.Past, error) {
	o, err := e.parseJob(in, actionShow)
	if err != nil {
		return o, report.Past{}, err
	}
	past, err := e.pastJob(in.Context, o)
	return o, past, err
}

// pastJob asks every host for what it knows of the job.
func (e *env) pastJob(ctx context.Context, o lookOptions) (report.Past, error) {
	r, jobs, _, err := lookFor[answers.Job](ctx, e, o)
	if err != nil {
		return report.Past{}, err
	}
	return report.PastJob(o.args.String(inputID), r, jobs, e.declarations), nil
}

func (e *env) showPast(p report.Past, o lookOptions, interrupted bool) error {
	if !p.Known && len(p.Run.Outcomes) == 0 {
		return &problem{ending: endNothing, err: fmt.Errorf("no host that answered knows job %s", p.ID),
			hints: []string{"to see recent changes: fleet job list; answers to reads are kept only until the node stops"}}
	}
	end := endingOf(p.Run.Results)
	if p.Unnamed() > 0 && end == endFine {
		end = endSilent
	}
	if interrupted {
		end = endInterrupted
	}
	p.Run.Exit = end.code()
	if err := e.write(func(w io.Writer) error { return p.Write(w, o.print.format, o.view) }); err != nil {
		return err
	}
	if end == endFine {
		return nil
	}
	return &problem{ending: end}
}

// everywhere sends a change to every host that is there. Hosts that did not answer are missed but for those that expected
// says are not; nil misses all.
func (e *env) everywhere(ctx context.Context, o lookOptions, expected func(client.Outcome) bool) (report.Run, error) {
	r := report.Run{Plugin: o.limit.Name, Action: o.action, Args: o.args, Reason: o.reason}
	conn, err := e.connect(ctx, o.conn)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	request := client.Request{Plugin: r.Plugin, Action: o.action.Name, Args: r.Args, Reason: o.reason, Timeout: o.conn.wait(o.limit.Limit(o.action))}
	r.Results, err = client.Everywhere(ctx, conn, request, expected)
	return r, err
}

// action is one of a plugin that every fleet has.
func (e *env) action(pluginName, name string) (plugin.Action, error) {
	if a, ok := plugin.Find(e.declarations, pluginName, name); ok {
		return a, nil
	}
	return plugin.Action{}, faultf("this version of fleet has no action %s %s", pluginName, name)
}
