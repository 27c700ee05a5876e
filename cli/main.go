package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// asker is what the commands need of a connection to the fleet. client.Client is one; tests bring their own.
type asker interface {
	Members(ctx context.Context) ([]job.Member, error)
	Roster(ctx context.Context) (identity.Roster, error)
	Plan(ctx context.Context, r client.Request, progress func(client.Progress)) (client.Plan, error)
	Run(ctx context.Context, r client.Request, progress func(client.Progress)) (client.Run, error)
	Close()
}

// env is all that a command has of the world around it. Nothing below Main looks at the process itself.
type env struct {
	stdin          io.Reader // nil: closed
	stdout, stderr io.Writer
	getenv         func(string) string
	canAsk         bool // questions can be asked: stdin and stderr are a terminal
	stdoutTerminal bool
	stderrTerminal bool
	declarations   []plugin.Declaration
	connect        func(ctx context.Context, o connection) (asker, error)
	secret         func(ctx context.Context, prompt string) (string, error) // asks without echo; nil: nobody to ask
	seed           func() int64                                             // for --limit without --limit-seed
	planID         func() string                                            // of a change in several jobs
	patience       time.Duration
	line           []string // the whole command line, for telling how to repeat it
}

// Main runs the command line and returns the exit code. The first interrupt ends the command's context: it says what it
// has and ends. The second ends the process at once.
func Main(args []string) int {
	withoutDumps()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM) // never stopped: an interrupt at the very end must not change the code
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(endInterrupted.code())
	}()
	return run(ctx, processEnv(), args)
}

func processEnv() *env {
	stderrTerminal := term.IsTerminal(int(os.Stderr.Fd()))
	e := &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: environment,
		canAsk:         stderrTerminal && term.IsTerminal(int(os.Stdin.Fd())),
		stdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrTerminal: stderrTerminal,
		declarations:   declarations(),
		connect:        connect,
		seed:           func() int64 { return time.Now().UnixNano() },
		planID:         func() string { return job.NewID(time.Now()) },
		patience:       stdinPatience,
	}
	if canAskSecret() {
		e.secret = askSecret
	}
	return e
}

// run is Main without the process.
func run(ctx context.Context, e *env, args []string) int {
	err := e.dispatch(ctx, args)
	if err == nil {
		return endFine.code()
	}
	p := asProblem(err)
	e.explain(p, wantsJSON(args, e.getenv))
	return p.ending.code()
}

// dispatch takes the line apart and hands it to its verb.
func (e *env) dispatch(ctx context.Context, args []string) error {
	e.line = args
	if len(args) < 2 {
		return e.print(overview(verbs(e)))
	}
	table := verbNamed(e, args[1])
	line, err := parseLine(table, args[1:])
	if len(table) == 0 || err != nil || line.help { // the others are needed too, to say what was meant
		table = verbs(e)
		line, err = parseLine(table, args[1:])
	}
	if err != nil {
		return err
	}
	if line.help {
		return e.print(helpFor(table, line.path))
	}
	app := newApp(e, table)
	err = app.RunContext(ctx, append([]string{"fleet"}, line.arranged()...))
	if _, ok := errors.AsType[*problem](err); ok || err == nil || !isFlagError(err) {
		return err
	}
	return usagef("%w", err).with(hintHelp(line.name()))
}

// newApp makes urfave's commands of the table. It parses flags and calls; help, completion and errors are our own.
func newApp(e *env, table []verb) *ucli.App {
	app := &ucli.App{
		Name: "fleet", HideHelp: true, HideVersion: true, DisableSliceFlagSeparator: true,
		Writer: io.Discard, ErrWriter: io.Discard,
		ExitErrHandler: func(*ucli.Context, error) {},
	}
	for _, v := range table {
		app.Commands = append(app.Commands, v.command(e))
	}
	return app
}

// flagError marks what urfave says of a value, such as a word where a number should be.
type flagError struct{ error }

func isFlagError(err error) bool {
	_, ok := errors.AsType[flagError](err)
	return ok
}

// print writes text to stdout, whole or with an error.
func (e *env) print(text string) error {
	if _, err := io.WriteString(e.stdout, text); err != nil {
		return faultf("write to standard output: %w", err)
	}
	return nil
}

// write is print for what may be larger than memory.
func (e *env) write(report func(io.Writer) error) error {
	out := bufio.NewWriterSize(e.stdout, 64<<10)
	if err := report(out); err != nil {
		out.Flush() // what there is
		return faultf("%w", err)
	}
	if err := out.Flush(); err != nil {
		return faultf("write to standard output: %w", err)
	}
	return nil
}

// note writes a line to stderr. That nobody may be reading it is no error.
func (e *env) note(format string, args ...any) { fmt.Fprintf(e.stderr, "fleet: "+format+"\n", args...) }

// explain prints the error and the hints, one line each, for people or as one JSON document.
func (e *env) explain(p *problem, asJSON bool) {
	if p.err == nil && len(p.hints) == 0 {
		return
	}
	if asJSON {
		doc := struct {
			Schema string   `json:"schema"`
			Error  string   `json:"error,omitempty"`
			Hints  []string `json:"hints,omitempty"`
			Exit   int      `json:"exit"`
		}{Schema: "fleet.error/v1", Hints: p.hints, Exit: p.ending.code()}
		if p.err != nil {
			doc.Error = p.err.Error()
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(doc); err == nil {
			_, _ = e.stderr.Write(report.EscapeJSON(b.Bytes()))
		}
		return
	}
	if p.err != nil {
		for l := range strings.Lines(p.err.Error()) { // a config has all its faults told at once
			fmt.Fprintf(e.stderr, "fleet: %s\n", report.Sanitise(strings.TrimSuffix(l, "\n")))
		}
	}
	for _, h := range p.hints {
		fmt.Fprintf(e.stderr, "hint: %s\n", report.Sanitise(h))
	}
}
