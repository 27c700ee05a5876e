package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// unchanging are package variables that are no constants only because Go has none of their kind; each with its reason.
// Errors, regular expressions of lazyregexp, addresses and arrays need no line here.
var unchanging = map[string]string{
	"cli.unitText":          "embedded file",
	"cli.askEndings":        "a list for help texts",
	"cli/report.Orders":     "a list for help texts and checks",
	"identity.idEncoding":   "base32 alphabet",
	"internal/wire.encoder": "CBOR mode, safe for concurrent use",
	"internal/wire.decoder": "CBOR mode, safe for concurrent use",
	"internal/wire.peeker":  "CBOR mode, safe for concurrent use",
	"node/journal.claims":   "a bucket's name, as bytes",
	"node/journal.results":  "a bucket's name, as bytes",
	"node/journal.self":     "a bucket's name, as bytes",
}

// mayExit are the files that may end the process.
var mayExit = map[string]string{
	"main.go":                       "the one place where fleet ends",
	"cli/main.go":                   "a second Ctrl-C does not wait",
	"internal/bench/main.go":        "a program of its own",
	"internal/lab/labctl/main.go":   "a program of its own",
	"internal/lab/labdelay/main.go": "a program of its own",
	"internal/tally/main.go":        "a program of its own",
	"internal/fleettest/process.go": "a test binary that is a node ends as one",
}

// No init, nobody ends the process but main, nobody prints but cli and the programs for those who work on fleet.
func TestHabits(t *testing.T) {
	set, files := parseTree(t)
	for _, f := range files {
		if f.test {
			inFakeTime(t, set, f)
			continue
		}
		prints := f.dir == "cli" || f.dir == "internal/lab" || f.dir == "internal/fleettest" || f.tree.Name.Name == "main" // lab: the image's build, as it goes; fleettest: a test binary that is a node
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: no init functions: what runs is called", set.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				of, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				switch name := of.Name + "." + n.Sel.Name; {
				case (name == "os.Exit" || strings.HasPrefix(name, "log.Fatal")) && mayExit[f.path] == "":
					t.Errorf("%s: only main.go ends the process; return an error", set.Position(n.Pos()))
				case (strings.HasPrefix(name, "fmt.Print") || name == "os.Stdout" || name == "os.Stderr") && !prints:
					t.Errorf("%s: only cli prints; use the injected slog", set.Position(n.Pos()))
				case name == "slog.Default" || name == "slog.SetDefault":
					t.Errorf("%s: the log is injected", set.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// Keys of log lines are constants of internal/logkey, so that one thing has one name in all logs.
func TestLogKeys(t *testing.T) {
	set, files := parseTree(t)
	for _, f := range files {
		if f.test {
			continue
		}
		for _, key := range strayLogKeys(f.tree) {
			t.Errorf("%s: a key of a log line is a constant of internal/logkey", set.Position(key.Pos()))
		}
	}
}

// strayLogKeys finds the keys in calls of slog that are not constants of internal/logkey. A call that is told by an error or
// a list of attributes has none.
func strayLogKeys(tree *ast.File) (stray []ast.Expr) {
	first := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "Log": 3, "With": 0} // where keys begin
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || call.Ellipsis.IsValid() {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || isPackage(fun.X, "http") {
			return true
		}
		at, ok := first[fun.Sel.Name]
		if isPackage(fun.X, "slog") { // slog.String and its like make one pair
			at, ok = 0, !strings.HasPrefix(fun.Sel.Name, "New")
		}
		for ; ok && at < len(call.Args); at += 2 {
			if key, isName := call.Args[at].(*ast.SelectorExpr); !isName || !isPackage(key.X, "logkey") {
				stray = append(stray, call.Args[at])
			}
		}
		return true
	})
	return stray
}

func isPackage(e ast.Expr, name string) bool {
	of, ok := e.(*ast.Ident)
	return ok && of.Name == name
}

// inFakeTime reports a test that takes fake time from testing/synctest itself.
func inFakeTime(t *testing.T, set *token.FileSet, f file) {
	ast.Inspect(f.tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Test" {
			if of, ok := s.X.(*ast.Ident); ok && of.Name == "synctest" {
				t.Errorf("%s: fake time is internal/bubble's: the race detector breaks down in synctest.Test", set.Position(n.Pos()))
			}
		}
		return true
	})
}

// Package variables are constants in all but name: of a kind that does not change, and never assigned to.
func TestNoMutableGlobals(t *testing.T) {
	set, files := parseTree(t)
	packages, used := map[string][]*ast.File{}, map[string]bool{}
	for _, f := range files {
		if !f.test {
			packages[f.dir] = append(packages[f.dir], f.tree)
		}
	}
	for dir, trees := range packages {
		for _, tree := range trees {
			for name, value := range packageVars(tree) {
				full := dir + "." + name.Name
				used[full] = true
				if name.Name != "_" && !constantKind(value) && unchanging[full] == "" {
					t.Errorf("%s: a package variable; make it a constant, an array, a function or a field", set.Position(name.Pos()))
				}
			}
		}
		for _, pos := range assignments(set, dir, trees) {
			t.Errorf("%s: a package variable is changed here", set.Position(pos))
		}
	}
	for full := range unchanging {
		if !used[full] {
			t.Errorf("%s is in the list of unchanging variables and not in the tree", full)
		}
	}
}

// A line of the docs can be read in a terminal. Tables and code blocks, which cannot be wrapped, are exempt.
func TestDocsFitOnAScreen(t *testing.T) {
	const columns = 120
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		code := false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			if n := utf8.RuneCountInString(line); n >= columns && !code && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d has %d columns; fewer than %d fit on a screen", path, i+1, n, columns)
			}
		}
	}
}

// packageVars yields each package variable with its value, nil if it has none.
func packageVars(tree *ast.File) map[*ast.Ident]ast.Expr {
	vars := map[*ast.Ident]ast.Expr{}
	for _, decl := range tree.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, name := range spec.Names {
				vars[name] = nil
				if i < len(spec.Values) {
					vars[name] = spec.Values[i]
				}
			}
		}
	}
	return vars
}

// constantKind reports whether the value is one that nobody can change: an error, an address, an array, a pattern that is compiled
// at its first use (all that stands in package variables is paid for by every command, before main).
func constantKind(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		array, ok := v.Type.(*ast.ArrayType)
		return ok && array.Len != nil
	case *ast.CallExpr:
		fun, ok := v.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		of, ok := fun.X.(*ast.Ident)
		return ok && slices.Contains([]string{"errors.New", "fmt.Errorf", "lazyregexp.New", "netip.MustParseAddr", "netip.MustParsePrefix"}, of.Name+"."+fun.Sel.Name)
	}
	return false
}

// assignments finds where package variables, or parts of them, are assigned to or have their address taken. Imports are
// not resolved; which name is a package variable can be told without them.
func assignments(set *token.FileSet, dir string, trees []*ast.File) (found []token.Pos) {
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImporter{}, Error: func(error) {}}
	pkg, _ := config.Check(dir, set, trees, &info)
	changed := func(e ast.Expr) {
		if v, ok := info.Uses[root(e)].(*types.Var); ok && v.Parent() == pkg.Scope() {
			found = append(found, e.Pos())
		}
	}
	for _, tree := range trees {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					changed(e)
				}
			case *ast.IncDecStmt:
				changed(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					changed(n.X)
				}
			}
			return true
		})
	}
	return found
}

// root is the variable that an expression such as a.b[i] is a part of.
func root(e ast.Expr) *ast.Ident {
	for {
		switch at := e.(type) {
		case *ast.Ident:
			return at
		case *ast.SelectorExpr:
			e = at.X
		case *ast.IndexExpr:
			e = at.X
		case *ast.ParenExpr:
			e = at.X
		case *ast.StarExpr:
			e = at.X
		default:
			return nil
		}
	}
}

// The rules find what they are for.
func TestHabitRules(t *testing.T) {
	const code = `package p
		import ("errors"; "example.org/x")
		var errA, list, table, grid, other = errors.New("a"), []int{1}, map[int]int{}, [...]int{1}, x.New()
		var slow, lazy = regexp.MustCompile("a"), lazyregexp.New("a")
		func f(errA error) { errA = nil; list := 1; list++; table[1] = 2; other.Field.Deep++; _ = &grid[0] }`
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "p.go", code, 0)
	if err != nil {
		t.Fatal(err)
	}
	var changing []string
	for name, value := range packageVars(tree) {
		if !constantKind(value) {
			changing = append(changing, name.Name)
		}
	}
	slices.Sort(changing)
	if want := []string{"list", "other", "slow", "table"}; !slices.Equal(changing, want) {
		t.Errorf("variables that may change: %q, want %q", changing, want)
	}
	if found := assignments(set, "p", []*ast.File{tree}); len(found) != 3 {
		t.Errorf("%d changes found, want 3: table, other, grid", len(found))
	}
}

func TestLogKeyRule(t *testing.T) {
	const code = `package p
		func f() {
			log.Info("said", "a", 1, logkey.Name, "b", key, 2)
			log.Error(err.Error(), logkey.Error, err)
			x.log.With("c", 3).Log(ctx, level, "text", "d", 4)
			log.Info("pairs", pairs...)
			http.Error(w, "no", 403)
			slog.String("e", "f")
			slog.NewTextHandler(w, nil)
		}`
	tree, err := parser.ParseFile(token.NewFileSet(), "p.go", code, 0)
	if err != nil {
		t.Fatal(err)
	}
	if stray := strayLogKeys(tree); len(stray) != 5 {
		t.Errorf("%d stray keys found, want 5: a, key, c, d, e", len(stray))
	}
}

type noImporter struct{}

func (noImporter) Import(string) (*types.Package, error) { return nil, os.ErrNotExist }
