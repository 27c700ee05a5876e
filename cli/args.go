package cli

import (
	"slices"
	"strings"
	"unicode/utf8"

	ucli "github.com/urfave/cli/v2"
)

// line is a command line taken apart. Nothing typed is dropped and nothing is added: each word is in exactly one field,
// or the value of a flag.
type line struct {
	path  []string  // the verb, and a subverb
	flags []setting // in the order typed
	words []string  // what is left
	help  bool
}

// setting is one flag as typed.
type setting struct {
	name  string // without dashes, under the name that urfave knows first
	value string
	bare  bool // a flag that takes no value
}

// arranged writes the line in the one order that urfave reads right: the verb, then all flags, then the rest.
func (l line) arranged() []string {
	out := slices.Clone(l.path)
	for _, s := range l.flags {
		if s.bare {
			out = append(out, "--"+s.name)
		} else {
			out = append(out, "--"+s.name+"="+s.value)
		}
	}
	return append(append(out, "--"), l.words...)
}

// name is the command as typed.
func (l line) name() string { return strings.Join(l.path, " ") }

// option is what the walk must know of a flag.
type option struct {
	name   string // the first of its names
	valued bool
	many   bool // may be given more than once
}

// options maps each name of the flags, with its dashes, to what is known of it.
func optionsOf(flags []ucli.Flag, into map[string]option) {
	for _, f := range flags {
		names := f.Names()
		_, many := f.(*ucli.StringSliceFlag)
		_, bare := f.(*ucli.BoolFlag)
		for _, n := range names {
			into[dashed(n)] = option{name: names[0], valued: !bare, many: many}
		}
	}
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// helpOption is understood by every command.
const helpOption = "help"

// parseLine takes the words after the program's name apart. Flags may stand anywhere before a bare --. A flag means the
// same in every command that has it, so that one typed before the verb can be read before the verb is known; whether
// the verb has it is checked in the end.
func parseLine(table []verb, words []string) (line, error) {
	w := walk{known: map[string]option{}, rest: words}
	optionsOf([]ucli.Flag{&ucli.BoolFlag{Name: helpOption, Aliases: []string{"h"}}, &ucli.BoolFlag{Name: "version"}}, w.known)
	eachVerb(table, func(_ []string, v verb) { optionsOf(v.flags, w.known) })
	for len(w.rest) > 0 {
		if err := w.step(); err != nil {
			return line{}, err
		}
	}
	return w.resolve(table)
}

// walk is the state of one pass over the words.
type walk struct {
	known   map[string]option
	rest    []string
	line    line
	literal bool // behind --
	typed   []string
}

func (w *walk) take() string {
	word := w.rest[0]
	w.rest = w.rest[1:]
	return word
}

// step reads one word, and the value that belongs to it.
func (w *walk) step() error {
	word := w.take()
	switch {
	case w.literal || !strings.HasPrefix(word, "-"):
		w.line.words = append(w.line.words, word)
		return nil
	case word == "--":
		w.literal = true
		return nil
	case word == "-":
		return usagef("a bare - is only allowed where input can be read").with("--nodes - reads host names from standard input")
	case strings.HasPrefix(word, "--"):
		name, value, attached := strings.Cut(word, "=")
		o, ok := w.known[name]
		if !ok {
			return w.unknown(name)
		}
		return w.set(name, o, value, attached)
	}
	return w.cluster(word)
}

// cluster reads short options: -y, -yq, -W VALUE, -WVALUE, -W=VALUE, -yW VALUE.
func (w *walk) cluster(word string) error {
	for rest := word[1:]; rest != ""; {
		_, size := utf8.DecodeRuneInString(rest)
		name := "-" + rest[:size]
		rest = rest[size:]
		o, ok := w.known[name]
		if !ok {
			if len(name)+len(rest) == len(word) {
				return w.unknown(word)
			}
			return usagef("unknown option %s in %s", name, word).with(hintNearest("-"+word, w.names()))
		}
		if o.valued && rest != "" {
			return w.set(name, o, strings.TrimPrefix(rest, "="), true)
		}
		if err := w.set(name, o, "", false); err != nil {
			return err
		}
	}
	return nil
}

// set records an option, taking the next word as its value where it has none attached.
func (w *walk) set(name string, o option, value string, attached bool) error {
	switch {
	case !o.valued && attached:
		return usagef("%s takes no value, but got %q", name, value)
	case o.valued && !attached && len(w.rest) == 0:
		return usagef("%s needs a value", name)
	case o.valued && !attached:
		value = w.take()
		if len(value) > 1 && value[0] == '-' {
			return usagef("%s needs a value, and %s looks like an option", name, value).
				with("if it is meant as the value, write " + name + "=" + value)
		}
	}
	if o.valued && strings.TrimSpace(value) == "" {
		return usagef("%s has an empty value", name).with(hintEmptyValue)
	}
	if !o.many && o.name != helpOption && slices.ContainsFunc(w.line.flags, func(s setting) bool { return s.name == o.name }) {
		return usagef("%s is given twice", name)
	}
	if o.name == helpOption {
		w.line.help = true
		return nil
	}
	w.line.flags = append(w.line.flags, setting{o.name, value, !o.valued})
	w.typed = append(w.typed, name)
	return nil
}

func (w *walk) names() []string {
	names := make([]string, 0, len(w.known))
	for n := range w.known {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (w *walk) unknown(name string) error {
	p := usagef("unknown option %s", name)
	if h := hintForeign(name); h != "" {
		return p.with(h)
	}
	near := hintNearest(name, w.names())
	if near == "" && !strings.HasPrefix(name, "--") {
		near = hintNearest("-"+name, w.names())
	}
	return p.with(near)
}

// resolve finds the verb among the words and checks that it has every flag that was typed.
func (w *walk) resolve(table []verb) (line, error) {
	l := w.line
	if len(l.words) == 0 && slices.ContainsFunc(l.flags, func(s setting) bool { return s.name == "version" }) {
		return line{path: []string{"version"}, help: l.help}, nil
	}
	if len(l.words) > 0 && l.words[0] == "help" {
		l.words, l.help = l.words[1:], true
		switch {
		case len(l.words) == 1 && l.words[0] == topicFilters:
			return line{path: l.words, help: true}, nil
		case len(l.words) == 1 && l.words[0] == "help":
			l.words = nil
		}
	}
	if len(l.words) == 0 {
		if l.help {
			return l, nil
		}
		return line{}, usagef("no command given").with(hintHelp(""))
	}
	level := table
	var v verb
	for len(level) > 0 && len(l.words) > 0 {
		i := slices.IndexFunc(level, func(v verb) bool { return v.name == l.words[0] })
		if i < 0 && v.do != nil && v.atMost != 0 {
			break // a word of the verb's own, such as a host
		}
		if i < 0 {
			return line{}, unknownVerb(l, level)
		}
		v = level[i]
		l.path, l.words, level = append(l.path, v.name), l.words[1:], v.subverbs
	}
	if l.help {
		return l, nil
	}
	if len(level) > 0 && v.do == nil {
		return line{}, usagef("%s needs one more word: %s", l.name(), strings.Join(verbNames(level), ", "))
	}
	has := map[string]option{}
	optionsOf(v.flags, has)
	for i, s := range l.flags {
		if _, ok := has[dashed(s.name)]; !ok {
			return line{}, usagef("%s has no option %s", l.name(), w.typed[i]).with(hintHelp(l.name()))
		}
	}
	return l, v.checkWords(l)
}

func unknownVerb(l line, level []verb) error {
	path := strings.TrimSpace(l.name() + " " + l.words[0])
	if len(l.path) == 0 {
		return usagef("there is no command or plugin %q", path).with(hintNearest(l.words[0], verbNames(level)), hintHelp(""))
	}
	return usagef("there is no command %q", path).with(hintNearest(l.words[0], verbNames(level)), hintHelp(l.name()))
}
