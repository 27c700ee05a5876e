package cli

import (
	"errors"
	"fmt"

	"fleet/cli/report"
	"fleet/client"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/answers"

	ucli "github.com/urfave/cli/v2"
)

const (
	actionOutput = "output"
	inputOffset  = "offset"
)

func jobOutputVerb() verb {
	return verb{
		name: "output", brief: "show what a change printed on a host", takes: "ID HOST", atLeast: 2, atMost: 2,
		about: []string{
			"Prints the whole output, fetched in pieces; characters that are unsafe for a terminal are escaped. Changes to packages produce output; a host keeps up to 16 MiB per change and 256 MiB in total, for seven days.",
			"With --follow it continues until the action has ended.",
		},
		examples: []example{{"fleet job output 01KANSNYG0XJ5B4V0D3F6A7C8E web1", "everything that apt printed"}},
		flags:    append([]ucli.Flag{toggle(whatToPrint, flagFollow, "", "keep printing until the action has ended")}, connectionFlags()...),
		endings:  []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseJob(in, actionOutput)
			if err != nil {
				return err
			}
			o.hosts.flags = filter.Flags{Identity: []string{in.Args().Get(1)}}
			return e.printOutput(in, o)
		},
	}
}

// printOutput asks for one piece after another.
func (e *env) printOutput(in *ucli.Context, o lookOptions) error {
	e = e.withoutStdin()
	for {
		r, pieces, f, err := lookFor[answers.Output](in.Context, e, o)
		if err != nil {
			return err
		}
		if len(r.Outcomes) > 1 {
			return usagef("%q matches %d hosts; name one", in.Args().Get(1), len(r.Outcomes))
		}
		if len(r.Outcomes) == 0 || r.Outcomes[0].State != job.OK {
			return e.noOutput(r, f)
		}
		piece := pieces[0]
		if err := e.print(report.Lines(piece.Text)); err != nil {
			return err
		}
		switch at := o.args.Int(inputOffset); {
		case piece.Next < at || piece.Next > piece.Size || piece.Next == at && piece.Size > at:
			return faultf("%s did not say where its output continues", report.Sanitise(r.Outcomes[0].Name))
		case piece.Next < piece.Size:
		case !in.Bool(flagFollow) || !piece.Running:
			return nil
		default:
			if wait.For(in.Context, waitEvery) != nil {
				return &problem{ending: endInterrupted, err: errors.New("interrupted")}
			}
		}
		o.args[inputOffset] = piece.Next
	}
}

// noOutput says why there is none.
func (e *env) noOutput(r report.Run, f filter.Filter) error {
	p := &problem{ending: endingOf(r.Results), hints: hintsFor(r, f), err: errors.New("no host answered")}
	if len(r.Outcomes) == 1 {
		o := r.Outcomes[0]
		p.err = fmt.Errorf("%s: %s", report.Sanitise(o.Name), reasonOf(o))
	}
	return p
}

func reasonOf(o client.Outcome) string {
	if o.State == job.Skipped {
		return report.Sanitise(o.Message)
	}
	return string(o.State) + ": " + report.Sanitise(o.Message)
}
