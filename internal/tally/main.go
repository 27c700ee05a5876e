// Command tally reads test results for scripts/test: it takes the output of `go test -json` on standard input, shows
// what matters to a person (a line per package, the whole output of a failed test, each skipped test with its reason)
// and appends a line per test to a ledger, from which scripts/test counts.
//
//	go test -json ./... | tally LEDGER
//
// A ledger line is a verdict (pass, fail or skip), a tab, and the name; for a skip another tab and the reason. Every test
// and every subtest is one line. A package that fails without a failed test (it does not build, its TestMain gave up) is
// one line too, so no failure can be missing from the sum.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) (err error) {
	if len(args) != 1 {
		return errors.New("usage: go test -json ./... | tally LEDGER")
	}
	ledger, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	return newTally(ledger, out).read(in)
}

// event is a line of `go test -json`; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action  string
	Package string  // "" in build events
	Test    string  // "" in what is about the whole package
	Elapsed float64 // seconds
	Output  string
}

// pkg is what is known of a package that is being tested.
type pkg struct {
	output                  map[string][]string // per test; the package's own words under ""
	ledger                  []string            // written when the package ends
	passed, failed, skipped int
}

type tally struct {
	ledger, out io.Writer
	packages    map[string]*pkg
}

func newTally(ledger, out io.Writer) *tally {
	return &tally{ledger, out, map[string]*pkg{}}
}

// read goes through all events. A line that is no event is shown and is otherwise ignored: `go test` itself may print.
func (t *tally) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil || e.Action == "":
			t.out.Write(line)
		default:
			if err := t.event(e); err != nil {
				return err
			}
		}
		if err == io.EOF {
			for name, p := range t.packages { // go test was ended before they were
				if err := t.write(append(p.ledger, "fail\t"+name)); err != nil {
					return err
				}
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) event(e event) error {
	if e.Action == "build-output" {
		_, err := io.WriteString(t.out, e.Output)
		return err
	}
	if e.Package == "" {
		return nil
	}
	p := t.packages[e.Package]
	if p == nil {
		p = &pkg{output: map[string][]string{}}
		t.packages[e.Package] = p
	}
	if e.Action == "output" {
		p.output[e.Test] = append(p.output[e.Test], e.Output)
		return nil
	}
	if e.Test == "" {
		return t.endPackage(e, p)
	}
	return t.endTest(e, p)
}

func (t *tally) endTest(e event, p *pkg) error {
	name, said := e.Package+"."+e.Test, p.output[e.Test]
	switch e.Action {
	case "pass":
		p.passed++
		p.ledger = append(p.ledger, "pass\t"+name)
	case "fail":
		p.failed++
		fmt.Fprint(t.out, strings.Join(said, ""))
		p.ledger = append(p.ledger, "fail\t"+name)
	case "skip":
		p.skipped++
		why := reason(said)
		fmt.Fprintf(t.out, "!!! NOT RUN: %s: %s\n", name, why)
		p.ledger = append(p.ledger, "skip\t"+name+"\t"+why)
	default:
		return nil
	}
	delete(p.output, e.Test)
	return nil
}

func (t *tally) endPackage(e event, p *pkg) error {
	switch e.Action {
	case "pass":
		fmt.Fprintf(t.out, "ok    %-32s %4d passed, %d skipped  (%.1f s)\n", e.Package, p.passed, p.skipped, e.Elapsed)
	case "fail":
		t.failed(e, p)
	case "skip": // no test files
	default:
		return nil
	}
	delete(t.packages, e.Package)
	return t.write(p.ledger)
}

func (t *tally) failed(e event, p *pkg) {
	fmt.Fprintf(t.out, "FAIL  %-32s %4d passed, %d skipped, %d FAILED  (%.1f s)\n", e.Package, p.passed, p.skipped, p.failed, e.Elapsed)
	if p.failed > 0 {
		return
	}
	// What no test ended with, a panic for one, is under the test that ran then.
	for _, lines := range p.output {
		io.WriteString(t.out, strings.Join(lines, ""))
	}
	p.ledger = append(p.ledger, "fail\t"+e.Package)
}

func (t *tally) write(lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(t.ledger, line); err != nil {
			return err
		}
	}
	return nil
}

// reason is what a skipped test said, on one line.
func reason(said []string) string {
	var words []string
	for _, line := range said {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- SKIP") {
			continue
		}
		if at, text, ok := strings.Cut(line, ": "); ok && strings.Contains(at, ".go:") {
			line = text
		}
		words = append(words, line)
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}
