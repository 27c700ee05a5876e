package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	ucli "github.com/urfave/cli/v2"
)

// overview is what fleet says when it is asked for nothing.
func overview(table []verb) string {
	var b strings.Builder
	b.WriteString("fleet: run signed commands on a fleet of hosts\n\n  fleet COMMAND [OPTIONS] [WORDS]     options may appear anywhere\n")
	for _, g := range groups {
		var rows [][2]string
		for _, v := range table {
			if v.group == g {
				rows = append(rows, [2]string{v.name, v.brief})
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&b, "\n%s:\n%s", g, columns(rows))
		}
	}
	b.WriteString("\nRun fleet help COMMAND for details, and fleet help filters to see how to select hosts.\n")
	return b.String()
}

// topicFilters is a help page that is no command.
const topicFilters = "filters"

// helpFor is the page of a command or a topic.
func helpFor(table []verb, path []string) string {
	if len(path) == 0 {
		return overview(table)
	}
	if v, ok := findVerbAt(table, path); ok {
		return verbHelp(path, v)
	}
	return filtersHelp
}

func verbHelp(path []string, v verb) string {
	var b strings.Builder
	name := "fleet " + strings.Join(path, " ")
	fmt.Fprintf(&b, "%s: %s\n\n  %s\n", name, v.brief, synopsis(name, v))
	for _, p := range v.about {
		fmt.Fprintf(&b, "\n%s\n", wrap(p, 100))
	}
	if len(v.subverbs) > 0 {
		var rows [][2]string
		for _, s := range v.subverbs {
			rows = append(rows, [2]string{s.name, s.brief})
		}
		fmt.Fprintf(&b, "\nCommands:\n%s", columns(rows))
	}
	if len(v.examples) > 0 {
		b.WriteString("\nExamples:\n")
		for _, x := range v.examples {
			if x.why != "" {
				fmt.Fprintf(&b, "  # %s\n", x.why)
			}
			fmt.Fprintf(&b, "  %s\n", x.line)
		}
	}
	for _, g := range flagGroups(v.flags) {
		fmt.Fprintf(&b, "\n%s:\n%s", g.head, columns(g.rows))
	}
	if v.do != nil {
		b.WriteString("\nExit codes:\n")
		var rows [][2]string
		for _, e := range v.allEndings() {
			meaning := e.meaning()
			if e == endFine && len(v.endings) == 0 {
				meaning = "done"
			}
			rows = append(rows, [2]string{fmt.Sprint(e.code()), meaning})
		}
		b.WriteString(columns(rows))
	}
	return b.String()
}

// allEndings are the ways the verb can end, by code.
func (v verb) allEndings() []ending {
	list := append([]ending{endFine, endFault, endUsage}, v.endings...)
	slices.SortFunc(list, func(a, b ending) int { return a.code() - b.code() })
	return slices.Compact(list)
}

func synopsis(name string, v verb) string {
	words := []string{name}
	switch {
	case len(v.subverbs) > 0 && v.do == nil:
		words = append(words, "COMMAND")
	case len(v.subverbs) > 0:
		words = append(words, "[COMMAND]")
	}
	if v.takes != "" {
		words = append(words, v.takes)
	}
	if len(v.flags) > 0 {
		words = append(words, "[OPTIONS]")
	}
	return strings.Join(words, " ")
}

type flagGroup struct {
	head string
	rows [][2]string
}

// flagGroups are the flags by their category, in the order of their first.
func flagGroups(flags []ucli.Flag) []flagGroup {
	var list []flagGroup
	for _, f := range flags {
		head := "Options"
		if c, ok := f.(ucli.CategorizableFlag); ok && c.GetCategory() != "" {
			head = c.GetCategory()
		}
		i := slices.IndexFunc(list, func(g flagGroup) bool { return g.head == head })
		if i < 0 {
			i = len(list)
			list = append(list, flagGroup{head: head})
		}
		list[i].rows = append(list[i].rows, flagRow(f))
	}
	return list
}

// flagRow is a flag's names with its value, and what it is for.
func flagRow(f ucli.Flag) [2]string {
	value, usage := "", ""
	if d, ok := f.(ucli.DocGenerationFlag); ok {
		value, usage = splitUsage(d.GetUsage())
	}
	names := slices.Clone(f.Names())
	slices.SortStableFunc(names, func(a, b string) int { return min(len(a), 2) - min(len(b), 2) })
	for i, n := range names {
		names[i] = dashed(n)
	}
	text := strings.Join(names, ", ")
	if len(names[0]) > 2 {
		text = "    " + text
	}
	if value != "" {
		text += " " + value
	}
	return [2]string{text, usage}
}

// splitUsage takes the value's name, in backquotes at the beginning, off a flag's usage.
func splitUsage(usage string) (value, rest string) {
	if inner, ok := strings.CutPrefix(usage, "`"); ok {
		value, rest, _ = strings.Cut(inner, "`")
		return value, strings.TrimPrefix(strings.TrimSpace(rest), ": ")
	}
	return "", usage
}

// columns writes rows of two columns. What is too long for the first pushes the second down.
func columns(rows [][2]string) string {
	const widest = 34
	width := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r[0]); n <= widest {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, r := range rows {
		if utf8.RuneCountInString(r[0]) > width {
			fmt.Fprintf(&b, "  %s\n  %s  %s\n", r[0], strings.Repeat(" ", width), r[1])
			continue
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], r[1])
	}
	return b.String()
}

// wrap breaks a paragraph into lines.
func wrap(text string, width int) string {
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1+n > width:
			b.WriteString("\n")
			length = 0
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += n
	}
	return b.String()
}

func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return strings.TrimSuffix(string(unicode.ToLower(r))+s[size:], ".")
}

func upper(s string) string { return strings.ToUpper(s) }
