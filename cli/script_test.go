package cli

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fleet/plugins"
)

// Scripts run the whole command line, in process: `fleet WORDS` with standard input closed, `fleet-from FILE WORDS` with
// FILE as a pipe there, `fleet-at-terminal ANSWER WORDS` at a terminal where a person types ANSWER. `scene NAME` chooses
// the fleet; without it, the real connection is tried. `interrupt-at N` is Ctrl-C while job N is asked. `code N` checks the
// exit code, `asked FILE` what was sent since the last look.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Values[stateKey{}] = &scriptState{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fleet": func(ts *testscript.TestScript, neg bool, args []string) {
				state(ts).run(ts, neg, &env{}, args)
			},
			"fleet-from": func(ts *testscript.TestScript, neg bool, args []string) {
				state(ts).run(ts, neg, &env{stdin: strings.NewReader(ts.ReadFile(args[0]))}, args[1:])
			},
			"fleet-at-terminal": func(ts *testscript.TestScript, neg bool, args []string) {
				null, err := os.Open(os.DevNull) // a device, as a terminal is: no list
				ts.Check(err)
				defer null.Close()
				state(ts).run(ts, neg, &env{stdin: terminal{strings.NewReader(args[0] + "\n"), null}, canAsk: true}, args[1:])
			},
			"scene": func(ts *testscript.TestScript, _ bool, args []string) {
				s, ok := scenes()[args[0]]
				if !ok {
					ts.Fatalf("no scene %s", args[0])
				}
				state(ts).scene = s
			},
			"interrupt-at": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				state(ts).interrupt = n
			},
			"code": func(ts *testscript.TestScript, _ bool, args []string) {
				if got := strconv.Itoa(state(ts).code); got != args[0] {
					ts.Fatalf("exit code %s, want %s", got, args[0])
				}
			},
			"asked": func(ts *testscript.TestScript, _ bool, args []string) {
				var got string
				if s := state(ts).scene; s != nil {
					got = strings.Join(s.asked, "\n") + "\n"
					s.asked = nil
				}
				if strings.TrimSpace(got) == "" {
					got = "nothing\n"
				}
				if want := ts.ReadFile(args[0]); got != want {
					ts.Fatalf("asked:\n%swant:\n%s", got, want)
				}
			},
		},
	})
}

var update = flag.Bool("update", false, "write what comes out into the scripts")

// terminal reads as one and, asked what it is, is one.
type terminal struct {
	io.Reader
	device *os.File
}

func (t terminal) Stat() (os.FileInfo, error) { return t.device.Stat() }

type stateKey struct{}

type scriptState struct {
	scene     *scene
	code      int
	interrupt int // while this job is asked; 0: never
}

func state(ts *testscript.TestScript) *scriptState { return ts.Value(stateKey{}).(*scriptState) }

func (s *scriptState) run(ts *testscript.TestScript, neg bool, e *env, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i, a := range args {
		if strings.HasPrefix(a, "./") {
			args[i] = ts.MkAbs(a)
		}
	}
	var out, errs bytes.Buffer
	e.stdout, e.stderr, e.getenv = &out, &errs, ts.Getenv
	e.declarations, e.seed, e.patience = plugins.BuiltinDeclarations(), func() int64 { return 7 }, time.Minute
	e.planID = func() string { return planID }
	e.connect = connect
	if s.scene != nil {
		s.scene.cancel, s.scene.cancelAt = cancel, s.interrupt
		e.connect = func(context.Context, connection) (asker, error) { return s.scene, nil }
	}
	s.code = run(ctx, e, append([]string{"fleet"}, args...))
	work := ts.MkAbs(".")
	clean := func(b *bytes.Buffer) string { return strings.ReplaceAll(b.String(), work, "$WORK") }
	io.WriteString(ts.Stdout(), clean(&out))
	io.WriteString(ts.Stderr(), strings.Replace(clean(&errs), "[y/N] ", "[y/N] (answer)\n", 1)) // a terminal shows what is typed
	if (s.code == 0) == neg {
		ts.Fatalf("exit code %d\n%s%s", s.code, clean(&out), clean(&errs))
	}
}
