package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the direction of the house: for each package the packages of ours that its code, not its tests, may
// import. A new line here is a decision; docs/ARCHITECTURE.md draws the direction.
var mayImport = map[string]string{
	".":                      "cli",
	"cli":                    "cli/demo cli/report cli/sim client facts gossip identity internal/atomicfile internal/logkey internal/nearest internal/proc internal/program internal/trustedfile internal/wait internal/wire job job/filter node node/audit node/checkup node/detached node/journal node/metrics node/sim plugins plugins/answers plugins/plugin plugins/rpcutil policy rollout",
	"cli/report":             "client identity internal/contrast internal/factpath internal/lazyregexp job job/filter node/audit node/checkup plugins/answers plugins/plugin",
	"cli/demo":               "",
	"cli/sim":                "cli/report client identity internal/proc internal/wait job node node/sim",
	"client":                 "identity internal/logkey internal/wait internal/wire job job/filter plugins/plugin rollout",
	"rollout":                "identity job job/filter",
	"internal/wait":          "",
	"node":                   "facts gossip identity internal/atomicfile internal/logkey internal/trustedfile internal/wait internal/wire job node/audit node/detached node/gate node/journal node/mesh node/metrics node/runner plugins plugins/answers plugins/jobs plugins/node plugins/plugin plugins/rpcutil policy",
	"node/mesh":              "broker gossip identity internal/atomicfile internal/logkey internal/wire job node/presence",
	"node/gate":              "identity job job/filter node/audit node/journal plugins/plugin policy",
	"node/detached":          "identity internal/atomicfile internal/logkey internal/wait internal/wire job plugins/plugin",
	"node/audit":             "internal/logkey",
	"node/journal":           "internal/logkey",
	"node/presence":          "identity internal/atomicfile internal/logkey internal/wire",
	"node/runner":            "identity internal/logkey internal/wire job node/audit node/detached node/gate node/journal plugins/answers plugins/jobs plugins/plugin",
	"node/sim":               "identity internal/logkey internal/wait job node/audit node/gate node/journal node/mesh node/runner plugins plugins/plugin policy",
	"node/metrics":           "",
	"node/checkup":           "gossip identity node node/journal node/mesh",
	"broker":                 "identity internal/logkey job",
	"gossip":                 "internal/atomicfile internal/logkey internal/wait",
	"policy":                 "identity internal/lazyregexp job/filter",
	"job":                    "identity internal/wire job/filter",
	"job/filter":             "internal/factpath internal/version",
	"identity":               "internal/wire",
	"facts":                  "internal/factpath internal/logkey internal/program internal/trustedfile",
	"plugins":                "internal/nearest plugins/fstat plugins/jobs plugins/node plugins/packages plugins/plugin plugins/rpcutil plugins/service",
	"plugins/plugin":         "internal/wire",
	"plugins/answers":        "plugins/plugin",
	"plugins/fstat":          "plugins/plugin",
	"plugins/jobs":           "plugins/answers plugins/plugin",
	"plugins/node":           "plugins/answers plugins/plugin",
	"plugins/packages":       "internal/lazyregexp internal/logkey internal/nearest internal/program internal/version internal/wait plugins/plugin",
	"plugins/rpcutil":        "internal/nearest plugins/answers plugins/plugin",
	"plugins/service":        "internal/lazyregexp internal/nearest internal/program internal/wait plugins/plugin",
	"internal/version":       "",
	"internal/wire":          "",
	"internal/atomicfile":    "",
	"internal/contrast":      "",
	"internal/factpath":      "",
	"internal/lazyregexp":    "",
	"internal/logkey":        "",
	"internal/md2man/md2man": "", // in place of a library's; see its comment
	"internal/nearest":       "",
	"internal/proc":          "",
	"internal/program":       "",
	"internal/trustedfile":   "",
	// For tests and people who work on fleet; no package above may import these.
	"internal/attack":       "",
	"internal/captured":     "identity internal/wait internal/wire job node",
	"internal/bubble":       "",
	"internal/mixed":        "",
	"internal/fleettest":    "client facts gossip identity internal/identitytest internal/logkey job node plugins plugins/jobs plugins/node plugins/plugin plugins/rpcutil",
	"internal/identitytest": "identity",
	"internal/e2e":          "",
	"internal/lab":          "internal/wait",
	"internal/lab/labctl":   "internal/lab",
	"internal/lab/labdelay": "",
	"internal/lab/labtest":  "internal/lab",
	"internal/bench":        "internal/proc internal/wait",
	"internal/tally":        "",
}

// onlyIn is who may see which library. One place each, so that a library can be replaced, and so that nobody is tempted
// to talk to the network, the terminal or the disk past the package whose work that is.
var onlyIn = map[string]string{
	"github.com/nats-io/nats-server/v2": "broker internal/bench internal/captured", // bench measures bare NATS beside fleet; captured is an attacker's
	"github.com/nats-io/nats.go":        "client node/mesh node/sim internal/bench internal/captured",
	"github.com/hashicorp/memberlist":   "gossip",
	"github.com/urfave/cli/v2":          "cli",
	"github.com/BurntSushi/toml":        "cli facts policy", // the config, custom facts, a host's own policy
	"github.com/goccy/go-yaml":          "cli/report facts",
	"github.com/fxamacker/cbor/v2":      "internal/wire",
	"github.com/oklog/ulid/v2":          "job",
	"github.com/coreos/go-systemd/v22":  "cli node/detached plugins/service", // cli: tells systemd that the node is ready
	"github.com/godbus/dbus/v5":         "node/detached",                     // values of a unit's properties
	"github.com/shirou/gopsutil/v4":     "facts plugins/service",             // memory; when a process began
	"go.etcd.io/bbolt":                  "node/journal",
	"golang.org/x/crypto":               "identity", // keys locked with a passphrase, keys in ssh-agent
	"golang.org/x/sync":                 "gossip internal/lab",
	"golang.org/x/sys":                  "internal/lab/labdelay", // a TUN device
	"golang.org/x/term":                 "cli internal/lab/labctl",
	"os/exec":                           "cli/sim internal/program node/detached internal/bench internal/fleettest internal/lab internal/lab/labctl",
	"net/http":                          "facts node/metrics", // the cloud's metadata service; metrics on loopback
	"log":                               "gossip",             // memberlist wants one
	"unsafe":                            "",
	"plugin":                            "",
	"os/signal":                         "cli internal/bench internal/fleettest internal/lab/labctl",
}

const (
	longFile    = 400 // lines: more is reported
	tooLongFile = 450 // lines: more fails
)

// file is one Go file of the tree, whatever its build tags.
type file struct {
	path, dir string
	test      bool
	lines     int
	tree      *ast.File
}

func parseTree(t *testing.T) (*token.FileSet, []file) {
	t.Helper()
	set, files := token.NewFileSet(), []file(nil)
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); strings.HasPrefix(name, ".") || name == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		tree, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		files = append(files, file{p, path.Dir(p), strings.HasSuffix(p, "_test.go"), set.File(tree.Pos()).LineCount(), tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return set, files
}

func TestImports(t *testing.T) {
	_, files := parseTree(t)
	for _, f := range files {
		ours, known := mayImport[f.dir]
		if !known {
			t.Errorf("%s: package %s is not in the map: say in imports_test.go what it may import", f.path, f.dir)
			continue
		}
		if f.test {
			continue
		}
		for _, spec := range f.tree.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkImport(f.dir, ours, name); err != nil {
				t.Errorf("%s: %v", f.path, err)
			}
		}
	}
	for dir := range mayImport {
		if !slices.ContainsFunc(files, func(f file) bool { return f.dir == dir }) {
			t.Errorf("package %s is in the map and not in the tree", dir)
		}
	}
}

func checkImport(dir, ours, name string) error {
	if name == "C" {
		return errors.New("no C: fleet is one static binary")
	}
	if own, ok := strings.CutPrefix(name, "fleet/"); ok {
		if !slices.Contains(strings.Fields(ours), own) {
			return fmt.Errorf("%s must not import %s (it may: %s)", dir, own, ours)
		}
		return nil
	}
	first, _, _ := strings.Cut(name, "/")
	foreign := strings.Contains(first, ".") // a module, with all its packages; else one package of the standard library
	for library, who := range onlyIn {
		if name != library && !(foreign && strings.HasPrefix(name, library+"/")) {
			continue
		}
		if !slices.Contains(strings.Fields(who), dir) {
			return fmt.Errorf("%s must not import %s (only: %s)", dir, name, who)
		}
		return nil
	}
	if foreign {
		return fmt.Errorf("%s imports %s, which has no line in onlyIn", dir, name)
	}
	return nil
}

// Each package tells its story: in doc.go, or in its only file.
func TestPackageDocs(t *testing.T) {
	_, files := parseTree(t)
	packages := map[string][]file{}
	for _, f := range files {
		if !f.test {
			packages[f.dir] = append(packages[f.dir], f)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		var told []file
		for _, f := range packages[dir] {
			if f.tree.Doc != nil {
				told = append(told, f)
			}
		}
		if len(told) != 1 {
			t.Errorf("package %s has %d package comments, want one", dir, len(told))
			continue
		}
		f := told[0]
		want := "Package " + f.tree.Name.Name + " "
		if f.tree.Name.Name == "main" {
			want = "Command "
		}
		if text := f.tree.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %.30q, want %q", f.path, text, want)
		}
		if path.Base(f.path) != "doc.go" && len(packages[dir]) > 1 {
			t.Errorf("%s: the package comment of a package with several files belongs into doc.go", f.path)
		}
	}
}

func TestFileSize(t *testing.T) {
	_, files := parseTree(t)
	for _, f := range files {
		switch {
		case f.test || f.lines <= longFile:
		case f.lines <= tooLongFile:
			t.Logf("%s has %d lines; %d are what is read in one sitting", f.path, f.lines, longFile)
		default:
			t.Errorf("%s has %d lines; take it apart", f.path, f.lines)
		}
	}
}

// The rule finds what it is for.
func TestImportRule(t *testing.T) {
	for _, tt := range []struct {
		dir, imports string
		ok           bool
	}{
		{"client", "fleet/node", false}, {"node", "fleet/client", false}, {"plugins/service", "fleet/node", false},
		{"job", "github.com/nats-io/nats.go", false}, {"node", "github.com/nats-io/nats.go", false}, {"node", "fleet/broker", false},
		{"node/runner", "github.com/nats-io/nats.go", false}, {"node/runner", "fleet/node/mesh", false}, {"node/mesh", "fleet/node/runner", false}, {"node", "github.com/nats-io/nats-server/v2/server", false},
		{"broker", "github.com/nats-io/nats-server/v2/server", true}, {"client", "os/exec", false}, {"client", "log", false},
		{"client", "log/slog", true}, {"cli", "example.org/framework", false}, {"node", "fleet/internal/fleettest", false},
	} {
		if err := checkImport(tt.dir, mayImport[tt.dir], tt.imports); (err == nil) != tt.ok {
			t.Errorf("%s imports %s: %v", tt.dir, tt.imports, err)
		}
	}
}

// TestPluginsAskForLittle keeps the interfaces small that a plugin asks its host for: at most four methods of their own,
// so that a plugin can be tested, and simulated, without a whole node.
func TestPluginsAskForLittle(t *testing.T) {
	const limit = 4
	files, err := filepath.Glob("plugins/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > limit {
				t.Errorf("%s: %s has %d methods, at most %d are allowed: split it by what asks for them", file, spec.Name, i.Methods.NumFields(), limit)
			}
			return true
		})
	}
}
