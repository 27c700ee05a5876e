package version

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pair is two versions to compare.
type pair struct{ a, b string }

// tools are the package managers' own comparisons: each answers a whole list of pairs with one program.
func tools() map[string]tool {
	return map[string]tool{
		"dpkg": {Debian, "libdpkg-perl", "perl", []string{"-MDpkg::Version", "-ne", `chomp; my ($a, $b) = split /\t/; print version_compare($a, $b), "\n"`},
			"0123456789", "ab~.+-", 1},
		"rpm": {RPM, "rpm", "rpm", []string{"--eval", `%{lua:for l in io.lines("/dev/stdin") do local a, b = l:match("^(.-)\t(.*)$"); io.write(rpm.vercmp(a, b), "\n") end}`},
			"0123456789", "abel~^._+", 1},
		"pacman": {Pacman, "python3 libalpm13", "/usr/bin/python3", []string{"-c", `
import ctypes, ctypes.util, sys
compare = ctypes.CDLL(ctypes.util.find_library("alpm")).alpm_pkg_vercmp
for line in sys.stdin:
    a, b = line.rstrip("\n").split("\t")
    print(compare(a.encode(), b.encode()))`},
			"0123456789", "abrc._+~", 0.7},
	}
}

type tool struct {
	order    Order
	debian   string // the packages that have it
	program  string
	args     []string
	digits   string
	others   string  // characters that versions have besides
	released float64 // how many of the random versions have a release
}

// ask returns the tool's verdict on each pair: -1, 0 or 1.
func (tool tool) ask(t *testing.T, pairs []pair) []int {
	t.Helper()
	var in bytes.Buffer
	for _, p := range pairs {
		fmt.Fprintf(&in, "%s\t%s\n", p.a, p.b)
	}
	cmd := exec.Command(tool.program, tool.args...)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", tool.program, err)
	}
	var verdicts []int
	for _, word := range strings.Fields(string(out)) {
		n := map[string]int{"-1": -1, "0": 0, "1": 1}
		verdict, ok := n[word]
		if !ok {
			t.Fatalf("%s answered %q", tool.program, word)
		}
		verdicts = append(verdicts, verdict)
	}
	if len(verdicts) != len(pairs) {
		t.Fatalf("%s answered %d of %d pairs", tool.program, len(verdicts), len(pairs))
	}
	return verdicts
}

// need skips loudly a test whose tool is not here; where FLEET_CI_NO_SKIP=1 it fails instead.
func need(t *testing.T, tool tool) {
	t.Helper()
	cmd := exec.Command(tool.program, tool.args...) // with nothing to compare
	if len(tool.args) == 0 {
		cmd.Args = append(cmd.Args, "--version")
	}
	err := cmd.Run()
	if err == nil {
		return
	}
	text := fmt.Sprintf("NOT TESTED: %v; apt-get install --no-install-recommends %s", err, tool.debian)
	if os.Getenv("FLEET_CI_NO_SKIP") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// random makes a version that the tool takes, often close to like.
func (tool tool) random(r *rand.Rand, like string) string {
	if like != "" && r.IntN(4) > 0 {
		return tool.mutate(r, like)
	}
	var b strings.Builder
	if r.IntN(5) == 0 {
		fmt.Fprintf(&b, "%d:", r.IntN(3))
	}
	tool.part(r, &b)
	if r.Float64() < tool.released && r.IntN(5) > 0 {
		b.WriteByte('-')
		tool.part(r, &b)
	}
	return b.String()
}

func (tool tool) part(r *rand.Rand, b *strings.Builder) {
	b.WriteByte(tool.digits[r.IntN(len(tool.digits))])
	others := strings.ReplaceAll(tool.others, "-", "")
	for range r.IntN(7) {
		from := others
		if r.IntN(2) == 0 {
			from = tool.digits[:1+r.IntN(len(tool.digits))]
		}
		b.WriteByte(from[r.IntN(len(from))])
	}
}

// mutate changes, adds or drops one character behind the first.
func (tool tool) mutate(r *rand.Rand, s string) string {
	from := strings.ReplaceAll(tool.digits[:3]+tool.others, "-", "")
	c := string(from[r.IntN(len(from))])
	i := 1 + strings.LastIndexAny(s, ":-")
	if i+1 >= len(s) {
		return s + c
	}
	i += 1 + r.IntN(len(s)-i-1)
	switch r.IntN(3) {
	case 0:
		return s[:i] + c + s[i:]
	case 1:
		return s[:i] + c + s[i+1:]
	}
	return s[:i] + s[i+1:]
}

// Each order decides 10,000 random pairs as the installed tool does.
func TestRandomPairsAgainstTheTool(t *testing.T) {
	for name, tool := range tools() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, tool)
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			pairs := make([]pair, 10_000)
			for i := range pairs {
				pairs[i].a = tool.random(r, "")
				pairs[i].b = tool.random(r, pairs[i].a)
			}
			wrong := 0
			for i, verdict := range tool.ask(t, pairs) {
				if got := sign(tool.order.Compare(pairs[i].a, pairs[i].b)); got != verdict {
					if wrong++; wrong <= 10 {
						t.Errorf("%s, %s: got %d, %s says %d (seed %d)", pairs[i].a, pairs[i].b, got, name, verdict, seed)
					}
				}
			}
		})
	}
}

// dpkg itself, which compares one pair at a time, agrees with its own library about the pairs in testdata.
func TestDpkgItself(t *testing.T) {
	tool := tools()["dpkg"]
	tool.program, tool.debian, tool.args = "dpkg", "dpkg", nil
	need(t, tool)
	for i, v := range vectors(t, "dpkg") {
		if i%10 != 0 { // a program each
			continue
		}
		op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[v.order]
		if err := exec.Command("dpkg", "--compare-versions", v.a, op, v.b).Run(); err != nil {
			t.Errorf("dpkg does not find %s %s %s: %v", v.a, op, v.b, err)
		}
	}
}

type vector struct {
	pair
	order int
}

// vectors reads lines of "A < B", "A = B" or "A > B".
func vectors(t *testing.T, name string) (list []vector) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		order := strings.Index("<=>", f[1]) - 1
		list = append(list, vector{pair{f[0], f[2]}, order})
	}
	if len(list) < 50 {
		t.Fatalf("testdata/%s.txt has %d pairs", name, len(list))
	}
	return list
}

// Every pair in testdata comes out as the tool, or apk's documentation, says.
func TestVectors(t *testing.T) {
	for name, order := range map[string]Order{"dpkg": Debian, "rpm": RPM, "pacman": Pacman, "apk": Alpine} {
		for _, v := range vectors(t, name) {
			if got := sign(order.Compare(v.a, v.b)); got != v.order {
				t.Errorf("%s: %s, %s: got %d, want %d", name, v.a, v.b, got, v.order)
			}
		}
	}
}

// With FLEET_VERSION_VECTORS=1 testdata is written anew: all pairs of what people meet, with the tool's verdict. Without
// it, this holds that testdata is what the tool says.
func TestVectorsAreTheTools(t *testing.T) {
	for name, tool := range tools() {
		t.Run(name, func(t *testing.T) {
			need(t, tool)
			var pairs []pair
			for _, group := range met(name) {
				for i, a := range group {
					for _, b := range group[i+1:] {
						pairs = append(pairs, pair{a, b})
					}
				}
			}
			var text strings.Builder
			fmt.Fprintf(&text, "# Written by TestVectorsAreTheTools: what %s says.\n", name)
			for i, verdict := range tool.ask(t, pairs) {
				fmt.Fprintf(&text, "%s %c %s\n", pairs[i].a, "<=>"[verdict+1], pairs[i].b)
			}
			path := filepath.Join("testdata", name+".txt")
			if os.Getenv("FLEET_VERSION_VECTORS") == "1" {
				if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil || !slices.Equal(got, []byte(text.String())) {
				t.Errorf("%s is not what %s says (%v); write it anew with FLEET_VERSION_VECTORS=1", path, name, err)
			}
		})
	}
}

// met are versions as people meet them, in groups of which each is compared with each.
func met(name string) [][]string {
	switch name {
	case "dpkg":
		return [][]string{
			{"1.0~~", "1.0~", "1.0~rc1-1", "1.0", "1.0-0", "1.0-1", "1.0-1~deb12u1", "1.0-1+deb12u1", "1.0-1+b1", "1.0-1.1", "1.0rc1-1", "1.0a-1", "1.0+dfsg-1", "1.0.1-1", "1.1", "1:0.9-1", "0:1.0-1"},
			{"6.1.0-9-amd64", "6.1.0-18-amd64", "6.1.0-18", "6.1.0-9", "6.1.170-1"},
			{"3.0.15-1~deb12u1", "3.0.16-1~deb12u1", "3.0.9-1", "1.1.1n-0+deb11u5", "1.1.1w-0+deb11u1", "3.0.19-1~deb12u2~bpo11+1"},
			{"249.11-0ubuntu3.3", "249.11-0ubuntu3", "249.11-0ubuntu3.11", "249.11-0ubuntu10"},
		}
	case "rpm":
		return [][]string{
			{"1.0~rc1-1", "1.0~beta-1", "1.0-1", "1.0", "1.0^git1-1", "1.0^git1~pre-1", "1.0^-1", "1.0.1-1", "1.0.a-1", "1.0a-1", "1.0_1-1", "1_0-1", "1.00-1", "1:0.9-1", "0:1.0-1"},
			{"5.14.0-362.el9.x86_64", "5.14.0-362.8.1.el9_3.x86_64", "5.14.0-362.18.1.el9_3.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-362.el9", "5.14.0-362.8.1.el9_3"},
			{"7.4p1-21.el7_2.3", "7.4p1-21.el7.4", "7.4p1-21.el7_2", "7.4p1-21.el7", "7.4p1-21.el7_9", "7.4p1-21.el7_10"},
			{"1.8.1^20240110git5-2.fc40", "1.8.1-2.fc40", "1.8.2-1.fc40", "1.8.1~rc2-1.fc40", "1.9", "1.8", "2.0"},
			{"3.0.7-27.el9", "3.0.7-27.el9_4", "1:3.0.7-27.el9", "1.1.1k-7.el8_6", "1.1.1k-12.el8_9", "3.0.7-6.el9_2.alma.1"},
			{"6.4.0-150600.23.7.3", "6.4.0-150600.23.14.2", "6.4.0-150600.21.2", "6.4.0-150600.23.7-default"},
		}
	case "pacman":
		return [][]string{
			{"1.0-1", "1.0", "1.0-2", "1.0-1.1", "1.0rc1-1", "1.0.rc1-1", "1.0a-1", "1.0.1-1", "1.0..1-1", "1.00-1", "1.0_1-1", "1:0.9-1", "0:1.0-1", "1.0.r12.gabc123-1", "1.0+5+gabc-1"},
			{"6.7.4.arch1-1", "6.7.4.arch2-1", "6.7.10.arch1-1", "6.8rc1-1", "6.8-1"},
			{"r2045.abcdef-1", "r2046.012345-1", "2024.01.05-1", "20240105-1"},
		}
	}
	return nil
}

func sign(n int) int { return max(-1, min(n, 1)) }
