package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"fleet/job/filter"
	"fleet/plugins"

	ucli "github.com/urfave/cli/v2"
)

func testTable() []verb { return verbs(&env{declarations: plugins.BuiltinDeclarations()}) }

func TestCommandsHaveTheirNames(t *testing.T) {
	e := &env{declarations: plugins.BuiltinDeclarations()}
	for _, c := range commands(e) {
		if got := c.build().name; got != c.name || len(verbNamed(e, c.name)) != 1 {
			t.Errorf("%s is built under %s", got, c.name)
		}
	}
}

// As urfave/cli v2 comes, a flag behind the first word is no flag: this line would restart every host. The first half
// shows that this is still so; the second, that it is not so here.
func TestFilterBehindTheWordsIsAFilter(t *testing.T) {
	words := []string{"run", "service", "nginx", "restart", "-W", "hagroup=a"}
	var raw, ours []string
	app := func(got *[]string) *ucli.App {
		return &ucli.App{
			Name: "fleet", Writer: io.Discard, ErrWriter: io.Discard, DisableSliceFlagSeparator: true,
			Commands: []*ucli.Command{{Name: "run", Flags: runFlags(), Action: func(c *ucli.Context) error {
				*got = c.StringSlice(flagWith)
				return nil
			}}},
		}
	}
	if err := app(&raw).Run(append([]string{"fleet"}, words...)); err != nil {
		t.Fatal(err)
	}
	if len(raw) != 0 {
		t.Errorf("urfave reads %q behind the words by now: args.go can go", raw)
	}
	l, err := parseLine(testTable(), words)
	if err != nil {
		t.Fatal(err)
	}
	if err := app(&ours).Run(append([]string{"fleet"}, l.arranged()...)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ours, []string{"hagroup=a"}) {
		t.Errorf("-W behind the words is %q, want hagroup=a", ours)
	}
}

func TestParseLine(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"flags anywhere", "-y run -W a=1 service --one nginx restart", "run --yes --with=a=1 --one -- service nginx restart"},
		{"attached", "ping -Wa=1 -I=web1 --nodes=f", "ping --with=a=1 --with-identity=web1 --nodes=f --"},
		{"a cluster", "service nginx restart -vyWa=1", "service --verbose --yes --with=a=1 -- nginx restart"},
		{"a cluster that takes the next word", "service nginx restart -yW a=1", "service --yes --with=a=1 -- nginx restart"},
		{"other names", "ping --np -A x --with-plugin y", "ping --no-progress --with-agent=x --with-agent=y --"},
		{"a dash as value", "ping --nodes -", "ping --nodes=- --"},
		{"a value that looks like an option", "ping -S=-x=1", "ping --select=-x=1 --"},
		{"behind --", "run service -- -y nginx", "run -- service -y nginx"},
		{"subverbs", "-W a=1 filter explain", "filter explain --with=a=1 --"},
		{"version", "--version", "version --"},
		{"a verb that does something and has subverbs", "node", "node --"},
		{"and its subverb", "node install", "node install --"},
		{"regexp of one letter", "ping -I/x/", "ping --with-identity=/x/ --"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := parseLine(testTable(), strings.Fields(tt.line))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(l.arranged(), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A flag is read before the verb is known, so it must be the same in every command that has it.
func TestFlagsMeanOneThing(t *testing.T) {
	known := map[string]option{}
	eachVerb(testTable(), func(path []string, v verb) {
		has := map[string]option{}
		optionsOf(v.flags, has)
		names := 0
		for _, f := range v.flags {
			names += len(f.Names())
		}
		if names != len(has) {
			t.Errorf("%s has a flag twice", strings.Join(path, " "))
		}
		for n, o := range has {
			if before, ok := known[n]; ok && before != o {
				t.Errorf("%s means something else in %s: %+v, elsewhere %+v", n, strings.Join(path, " "), o, before)
			}
			known[n] = o
		}
	})
	for _, n := range []string{"-h", "--help", "--version"} {
		if _, ok := known[n]; ok {
			t.Errorf("%s belongs to no command", n)
		}
	}
}

// Every line of every example in the help can be parsed.
func TestExamplesParse(t *testing.T) {
	eachVerb(testTable(), func(path []string, v verb) {
		for _, x := range v.examples {
			for part := range strings.SplitSeq(x.line, "|") {
				part, _, _ = strings.Cut(part, " > ")
				words, ok := shellWords(strings.TrimSpace(part))
				if !ok || len(words) == 0 || words[0] != "fleet" {
					continue
				}
				if _, err := parseLine(testTable(), words[1:]); err != nil {
					t.Errorf("%s: %v", x.line, err)
				}
			}
		}
	})
}

// shellWords splits at spaces outside quotes; that is all that examples need.
func shellWords(s string) (words []string, ok bool) {
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ':
			if open || word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		case r == '(' || r == '<':
			return nil, false
		default:
			word.WriteRune(r)
		}
	}
	if open || word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, quote == 0
}

// Whatever is typed: nothing is dropped, nothing is invented, and urfave reads back just what was arranged.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"run service nginx restart -W hagroup=a", "-y ping -Wa=1", "service x y -- -W a=1", "ping --nodes -", "find -vq -Ia -I b -S=c",
		"package status --with-fact=a=b,c -1 --limit=5", "-", "--", "help run", "filter explain -W a",
	} {
		f.Add(s)
	}
	table := testTable()
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, " ")
		l, err := parseLine(table, words)
		if err != nil || l.help {
			return
		}
		// Dropped or invented: what the parts consist of, letter by letter, is what was typed, but for -- and the
		// dashes, names and = of flags.
		typed := strings.Join(words, " ")
		for _, s := range l.flags {
			if !strings.Contains(typed, s.value) {
				t.Errorf("%q: the value %q of --%s was not typed", text, s.value, s.name)
			}
		}
		rest := slices.Clone(words)
		for _, w := range append(slices.Clone(l.path), l.words...) {
			i := slices.Index(rest, w)
			if i < 0 {
				if slices.Equal(l.path, []string{"version"}) {
					continue
				}
				t.Fatalf("%q: the word %q was not typed", text, w)
			}
			rest = slices.Delete(rest, i, i+1)
		}
		values := 0
		for _, w := range rest { // each is a flag, a cluster of flags, the value of one, or --
			if w != "--" && !strings.HasPrefix(w, "-") && !slices.ContainsFunc(l.flags, func(s setting) bool { return s.value == w }) {
				t.Errorf("%q: the word %q was dropped", text, w)
			}
			if strings.HasPrefix(w, "-") && w != "--" {
				values++
			}
		}
		if values > 0 && len(l.flags) == 0 && !slices.Equal(l.path, []string{"version"}) && !strings.Contains(text, "--nodes") {
			t.Errorf("%q: options were dropped", text)
		}
		// A flag in front reads the same as where it stood.
		again, err := parseLine(table, l.arranged())
		if err != nil || !slices.Equal(again.arranged(), l.arranged()) {
			t.Errorf("%q is arranged as %q, and that as %q (%v)", text, l.arranged(), again.arranged(), err)
		}
	})
}

// A filter put anywhere into a line is in the filter that is sent, or the line is an error.
func FuzzFilterIsNeverLost(f *testing.F) {
	f.Add("service nginx restart -I web1", uint8(2))
	f.Add("-y run package status openssl --batch 3", uint8(0))
	f.Add("ping --nodes - -v", uint8(2))
	f.Add("find -S x -- y", uint8(3))
	e := &env{declarations: plugins.BuiltinDeclarations(), getenv: homeless}
	f.Fuzz(func(t *testing.T, text string, at uint8) {
		words := strings.Split(text, " ")
		i := int(at) % (len(words) + 1)
		if slices.Contains(words[:i], "--") {
			return
		}
		words = slices.Insert(words, i, "-W", "hagroup=a")
		var got filter.Flags
		table := testTable()
		for i := range table {
			watch(&table[i], &got)
		}
		l, err := parseLine(table, words)
		if err != nil || l.help {
			return
		}
		if i > 0 && strings.HasPrefix(words[i-1], "-") && !slices.ContainsFunc(l.flags, func(s setting) bool { return s.name == flagWith }) {
			return // it stands where another flag has its value, and no flag takes a value that begins with a dash
		}
		app := newApp(e, table)
		if err := app.RunContext(context.Background(), append([]string{"fleet"}, l.arranged()...)); err != nil {
			return
		}
		if !slices.Contains(got.With, "hagroup=a") {
			t.Errorf("%q: -W hagroup=a is lost: %+v", words, got)
		}
	})
}

// watch replaces what a verb does by a look at its filter.
func watch(v *verb, got *filter.Flags) {
	if v.do != nil {
		v.do = func(_ *env, in *ucli.Context) error { *got = filterFlagsOf(in); return nil }
	}
	for i := range v.subverbs {
		watch(&v.subverbs[i], got)
	}
}
