package job_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"fleet/job"
)

// Each constant of the type State has one line in the table of meanings: whoever adds a state says there what it means, and
// everything that prints, counts or exits by states follows.
func TestEveryStateHasAMeaning(t *testing.T) {
	declared := declaredStates(t)
	var listed []job.State
	for _, m := range job.States() {
		listed = append(listed, m.State)
		switch {
		case !slices.Contains(declared, m.State):
			t.Errorf("%q has a meaning and is no constant of the type State", m.State)
		case m.Fine && m.Trouble:
			t.Errorf("%q is fine and trouble at once", m.State)
		case m.Fine != (m.Exit == job.ExitOK):
			t.Errorf("%q: fine is %t and the exit code %d", m.State, m.Fine, m.Exit)
		case m.Trouble == (m.Exit == job.ExitOK || m.Exit == job.ExitNothing):
			t.Errorf("%q: trouble is %t and the exit code %d", m.State, m.Trouble, m.Exit)
		case m.State.Meaning() != m || !m.State.Known():
			t.Errorf("%q is not found", m.State)
		}
	}
	for _, s := range declared {
		if n := len(slices.DeleteFunc(slices.Clone(listed), func(l job.State) bool { return l != s })); n != 1 {
			t.Errorf("%q has %d lines in the table of meanings, want one", s, n)
		}
	}
}

// declaredStates reads them from the source: no list in a test could miss a new one.
func declaredStates(t *testing.T) (states []job.State) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "state.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "State" {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, job.State(word))
		}
		return true
	})
	if len(states) == 0 {
		t.Fatal("no state found in state.go")
	}
	return states
}

// A state of a later version is never taken for good news.
func TestAnUnknownStateIsTrouble(t *testing.T) {
	m := job.State("held").Meaning()
	if job.State("held").Known() || m.Fine || !m.Trouble || m.Answered || m.ByResult || m.Exit != job.ExitSilent || m.State != "held" {
		t.Errorf("%+v", m)
	}
}
