package cli

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

func manVerb() verb {
	return verb{
		name: "man", group: groupLearn, brief: "print the man page as roff",
		examples: []example{{"fleet man | man -l -", "read it"}, {"fleet man > /usr/local/share/man/man1/fleet.1", "keep it"}},
		do:       func(e *env, _ *ucli.Context) error { return e.print(manPage(verbs(e))) },
	}
}

// manPage writes fleet(1) from the table of commands.
func manPage(table []verb) string {
	var b strings.Builder
	b.WriteString(".TH FLEET 1\n.SH NAME\nfleet \\- run signed commands on a fleet of hosts\n.SH SYNOPSIS\n.B fleet\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIWORDS\\fR]\n")
	b.WriteString(".SH DESCRIPTION\nOne program on every host. Options may appear anywhere on the line; a bare \\-\\- ends them.\n")
	b.WriteString(".SH COMMANDS\n")
	eachVerb(table, func(path []string, v verb) {
		name := "fleet " + strings.Join(path, " ")
		fmt.Fprintf(&b, ".SS %s\n%s.\n", roff(synopsis(name, v)), roff(upperFirst(v.brief)))
		for _, p := range v.about {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(p))
		}
		if len(v.examples) > 0 {
			b.WriteString(".PP\n.nf\n")
			for _, x := range v.examples {
				if x.why != "" {
					fmt.Fprintf(&b, "# %s\n", roff(x.why))
				}
				b.WriteString(roff(x.line) + "\n")
			}
			b.WriteString(".fi\n")
		}
		if v.group == groupPlugin {
			return // the options are those of run
		}
		for _, g := range flagGroups(v.flags) {
			fmt.Fprintf(&b, ".PP\n%s:\n", roff(g.head))
			for _, r := range g.rows {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(r[0])), roff(r[1]))
			}
		}
	})
	fmt.Fprintf(&b, ".SH SELECTING HOSTS\n.nf\n%s.fi\n", roffLines(filtersHelp))
	b.WriteString(".SH EXIT STATUS\n")
	for e := endFine; e <= endInterrupted; e++ {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", e.code(), roff(e.meaning()))
	}
	fmt.Fprintf(&b, ".SH FILES\n.TP\n.B %s\nfor all users of the machine\n.TP\n.B ~/.config/fleet/config.toml\noverrides it\n", machineConfig)
	fmt.Fprintf(&b, ".TP\n.B ~/.config/fleet/%s, %s, %s\nthe admin's key, the fleet's public root key, addresses of brokers\n", keyFile, rootFile, brokersFile)
	b.WriteString(".SH ENVIRONMENT\n")
	for _, k := range keys() {
		if k.env != "" {
			fmt.Fprintf(&b, ".TP\n.B %s\nas %s in the config file\n", k.env, roff(k.name))
		}
	}
	fmt.Fprintf(&b, ".TP\n.B %s\nthe config file to read instead of the default ones\n.TP\n.B NO_COLOR\nif set, no colours\n", envConfig)
	return b.String()
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// roff keeps text from being taken for requests and escapes.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "`", `\(ga`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func roffLines(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(roff(strings.TrimSuffix(l, "\n")) + "\n")
	}
	return b.String()
}
