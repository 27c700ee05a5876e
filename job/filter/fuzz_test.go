package filter

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// What compiles explains itself, matches without a panic and no more than Could says, and can be typed again as String writes it.
func checkCompiled(t *testing.T, f Filter) {
	t.Helper()
	m, err := Compile(f)
	if err != nil {
		return
	}
	if ok, _ := m.Match(context.Background(), web1()); ok {
		for _, labels := range []map[string]string{nil, {"hagroup": "c"}, {"operatingsystemrelease": "12.11", "note": "and", "empty": "", "motd": "hello, (big) world", "quoted": "it's"}} {
			if !m.Could("web1.example.com", labels) {
				t.Fatalf("%q matches and could not, by %v", f, labels)
			}
		}
	}
	if lines := f.Explain(); len(lines) == 0 || strings.HasPrefix(lines[0], "this is not a filter") {
		t.Fatalf("%q explains as %q", f, lines)
	}
	f.Names()
	flags, ok := shellSplit(f.String())
	if !ok {
		t.Fatalf("no shell takes %s", f)
	}
	back, err := Build(flags)
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	want, err := Build(Flags{Identity: f.Identities, Fact: f.Facts, Class: f.Classes, Agent: f.Agents, Select: f.Selects})
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Fatalf("%s\n is built as %+v\nand comes back as %+v, %v", f, want, back, err)
	}
}

// shellSplit reads a line of options as a POSIX shell would: only single quotes and \' are in it.
func shellSplit(line string) (o Flags, ok bool) {
	var words []string
	var word strings.Builder
	quoted, any := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, any = !quoted, true
		case !quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case !quoted && c == ' ':
			words, any = append(words, word.String()), false
			word.Reset()
		case !quoted && strings.IndexByte("\"$`;&|<>()*?[]#~!{}\n\t", c) >= 0:
			return o, false // means something to a shell
		default:
			word.WriteByte(c)
		}
	}
	if any || word.Len() > 0 {
		words = append(words, word.String())
	}
	to := map[string]*[]string{"-I": &o.Identity, "-F": &o.Fact, "-C": &o.Class, "-A": &o.Agent, "-S": &o.Select}
	for ; len(words) >= 2; words = words[2:] {
		if to[words[0]] == nil {
			return o, false
		}
		*to[words[0]] = append(*to[words[0]], words[1])
	}
	return o, len(words) == 0 && !quoted
}

func FuzzCompile(f *testing.F) {
	f.Add("web[1-3]*,db", "os.family = Debian", "role::web", "/serv/", "not a", "x=1 apache /c/")
	f.Add("/web/", "a=~/x/", "/y/", "service", "f('x').y=z", "")
	f.Add("a", "x='it\\'s'", "c", "d", "a or b and !c", " ")
	f.Add("a", "x!=\"/\"", "/=/", "d", "a=/\\//", "é=ü")
	f.Add("a?", "x=<1", "c", "d", "fact('a b').value!~'('", "a<=2")
	f.Fuzz(func(t *testing.T, identity, fact, class, agent, sel, with string) {
		for _, one := range []Filter{
			{Identities: []string{identity}}, {Facts: []string{fact}}, {Classes: []string{class}}, {Agents: []string{agent}}, {Selects: []string{sel}},
			{[]string{identity, identity}, []string{fact}, []string{class}, []string{agent}, []string{sel, sel}},
		} {
			checkCompiled(t, one)
		}
		built, err := Build(Flags{With: []string{with}})
		if err != nil {
			if !built.IsZero() {
				t.Fatal("a filter beside the error")
			}
			return
		}
		if built.IsZero() {
			t.Fatalf("-W %q became every host", with)
		}
		checkCompiled(t, built)
	})
}

func FuzzSelect(f *testing.F) {
	for _, s := range []string{
		"a and not (b or c)", "os=Debian", "os!=/x\\/y/", "!a", "f('x').y>=1", "fact(\"a\\\"b\").value=~'x y'", "((a))", "not not a", "a=b=c",
		"agent('x').present=true", "x <= 1 or y => 2", "/a b/ and c", "gone=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkCompiled(t, Filter{Selects: []string{s}})
		m, err := Compile(Filter{Selects: []string{s}})
		if err != nil {
			return
		}
		// In parentheses it is the same, and under not the opposite, or undecided both times.
		same, errSame := Compile(Filter{Selects: []string{"(" + s + ")"}})
		opposite, errOpposite := Compile(Filter{Selects: []string{"not (" + s + ")"}})
		if errSame != nil || errOpposite != nil {
			if len(s) < maxExpression-10 && !strings.Contains(errors.Join(errSame, errOpposite).Error(), "nest more than") {
				t.Fatal(errSame, errOpposite)
			}
			return
		}
		ctx := context.Background()
		want, undecided := m.Match(ctx, web1())
		if got, err := same.Match(ctx, web1()); got != want || (err == nil) != (undecided == nil) {
			t.Fatalf("in parentheses %v, %v; without %v, %v", got, err, want, undecided)
		}
		if got, err := opposite.Match(ctx, web1()); (err == nil) != (undecided == nil) || err == nil && got == want || err != nil && got {
			t.Fatalf("under not %v, %v; without %v, %v", got, err, want, undecided)
		}
	})
}
