package cli

import (
	"fmt"
	"slices"
	"strings"

	"fleet/plugins"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

func completionVerb() verb {
	shells := []string{"bash", "zsh", "fish"}
	return verb{
		name: "completion", group: groupLearn, takes: "bash|zsh|fish", atLeast: 1, atMost: 1, choices: shells,
		brief: "print a shell completion script",
		examples: []example{
			{"source <(fleet completion bash)", "in ~/.bashrc; the same with zsh in ~/.zshrc, after compinit"},
			{"fleet completion fish > ~/.config/fish/completions/fleet.fish", ""},
		},
		do: func(e *env, in *ucli.Context) error {
			table := completable(e)
			switch shell := in.Args().First(); shell {
			case "bash":
				return e.print("# bash completion for fleet, made by fleet completion bash\n" + bashCompletion(table))
			case "zsh":
				return e.print("#compdef fleet\n# made by fleet completion zsh\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion(table))
			case "fish":
				return e.print("# fish completion for fleet, made by fleet completion fish\n" + fishCompletion(table))
			default:
				return usagef("no completion for %q", shell).with("supported shells: "+strings.Join(shells, ", "), hintNearest(shell, shells))
			}
		},
	}
}

// spot is a point on the command line: the words that lead there, what may follow, and the options.
type spot struct {
	path  []string
	words [][2]string // with what they are for
	flags []ucli.Flag
}

// completable lists all spots, those with the longer path first.
func completable(e *env) []spot {
	table := append(verbs(e), verb{name: "help", brief: "help for one command", choices: append(verbNames(verbs(e)), topicFilters)})
	root := spot{}
	for _, v := range table {
		root.words = append(root.words, [2]string{v.name, v.brief})
	}
	list := []spot{root}
	eachVerb(table, func(path []string, v verb) {
		p := spot{path: path, flags: v.flags}
		for _, s := range v.subverbs {
			p.words = append(p.words, [2]string{s.name, s.brief})
		}
		for _, c := range v.choices {
			p.words = append(p.words, [2]string{c, ""})
		}
		list = append(list, p)
	})
	for _, d := range e.declarations {
		leads := [][]string{{"run", d.Name}}
		if commandFor(d) {
			leads = append(leads, []string{d.Name})
		}
		for _, lead := range leads {
			var actions [][2]string
			for _, a := range d.Actions {
				actions = append(actions, [2]string{a.Name, lowerFirst(a.Description)})
				var inputs [][2]string
				for _, in := range a.Inputs {
					inputs = append(inputs, [2]string{in.Name + "=", in.Prompt})
				}
				list = append(list, spot{path: append(slices.Clone(lead), a.Name), words: inputs, flags: runFlags()})
			}
			list = slices.DeleteFunc(list, func(p spot) bool { return slices.Equal(p.path, lead) })
			list = append(list, spot{path: lead, words: actions, flags: runFlags()})
		}
	}
	slices.SortStableFunc(list, func(a, b spot) int { return len(b.path) - len(a.path) })
	return list
}

// valuesOf are the words that an option's value can be; files and dirs tell the shell to look for itself.
func valuesOf(name string) (words []string, files, dirs bool) {
	switch name {
	case flagOutput:
		return []string{"table", "json", "jsonl", "yaml", "csv", "name"}, false, false
	case flagDisplay:
		return []string{"ok", "all", "failed"}, false, false
	case flagSort:
		return []string{"name", "time", "state"}, false, false
	case flagAction:
		return ruleActions(), false, false
	case flagHome:
		return nil, false, true
	case flagNodes, flagKey, flagConfig, "inventory":
		return nil, true, false
	}
	return nil, false, false
}

// ruleActions are the actions that a role's rule can name; patterns with * are left out, for a shell would look for files.
func ruleActions() []string {
	var list []string
	for _, d := range plugins.BuiltinDeclarations() {
		for _, a := range d.Actions {
			list = append(list, d.Name+"."+a.Name)
		}
	}
	for _, role := range policy.TokenRoles() {
		list = append(list, policy.TokenPlugin+"."+string(role))
	}
	return list
}

// valuedFlags are all flags that take a value, each once.
func valuedFlags(spots []spot) []ucli.Flag {
	seen := map[string]bool{}
	var list []ucli.Flag
	for _, p := range spots {
		for _, f := range p.flags {
			_, bare := f.(*ucli.BoolFlag)
			if !bare && !seen[f.Names()[0]] {
				seen[f.Names()[0]] = true
				list = append(list, f)
			}
		}
	}
	return list
}

func flagWords(flags []ucli.Flag) []string {
	var words []string
	for _, f := range flags {
		for _, n := range f.Names() {
			words = append(words, dashed(n))
		}
	}
	return words
}

// bashCompletion finds the spot from the words that are neither options nor their values.
func bashCompletion(spots []spot) string {
	var all []string
	var values strings.Builder
	for _, f := range valuedFlags(spots) {
		var names []string
		for _, n := range f.Names() {
			names = append(names, dashed(n))
		}
		all = append(all, names...)
		words, files, dirs := valuesOf(f.Names()[0])
		switch {
		case files:
			fmt.Fprintf(&values, "    %s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", strings.Join(names, "|"))
		case dirs:
			fmt.Fprintf(&values, "    %s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", strings.Join(names, "|"))
		case words != nil:
			fmt.Fprintf(&values, "    %s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", strings.Join(names, "|"), strings.Join(words, " "))
		}
	}
	valued := strings.Join(all, "|")
	var cases strings.Builder
	for _, p := range spots {
		var words []string
		for _, w := range p.words {
			words = append(words, w[0])
		}
		pattern := fmt.Sprintf("'/%s/'*", strings.Join(p.path, "/"))
		if len(p.path) == 0 {
			pattern = "*"
		}
		fmt.Fprintf(&cases, "    %s) words='%s' flags='%s' ;;\n", pattern, strings.Join(words, " "), strings.Join(append(flagWords(p.flags), "--help"), " "))
	}
	return `_fleet() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path=/ words= flags= i
  COMPREPLY=()
  case $prev in
` + values.String() + `    ` + valued + `) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    ` + valued + `) i=$((i + 1)) ;;
    -*) ;;
    *) path=$path${COMP_WORDS[i]}/ ;;
    esac
  done
  case $path in
` + cases.String() + `  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
  esac
  case ${COMPREPLY[0]} in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _fleet fleet
`
}

func fishCompletion(spots []spot) string {
	var b strings.Builder
	b.WriteString("complete -c fleet -f\n")
	for _, p := range slices.Backward(spots) {
		condition := "__fish_use_subcommand"
		if len(p.path) > 0 {
			var parts []string
			for _, word := range p.path {
				parts = append(parts, "__fish_seen_subcommand_from "+word)
			}
			condition = strings.Join(parts, "; and ")
		}
		offer := condition
		if len(p.path) > 0 && len(p.words) > 0 {
			var words []string
			for _, w := range p.words {
				words = append(words, w[0])
			}
			offer += "; and not __fish_seen_subcommand_from " + strings.Join(words, " ")
		}
		for _, w := range p.words {
			fmt.Fprintf(&b, "complete -c fleet -n %s -a %s -d %s\n", fishQuote(offer), fishQuote(w[0]), fishQuote(w[1]))
		}
		if len(p.path) > 1 && p.path[0] == "run" || len(p.path) == 2 && p.words != nil {
			continue // their options came with the shorter path
		}
		for _, f := range p.flags {
			b.WriteString("complete -c fleet -n " + fishQuote(condition) + fishFlag(f) + "\n")
		}
	}
	return b.String()
}

func fishFlag(f ucli.Flag) string {
	var b strings.Builder
	for _, n := range f.Names() {
		if len(n) == 1 {
			b.WriteString(" -s " + n)
		} else {
			b.WriteString(" -l " + n)
		}
	}
	if _, bare := f.(*ucli.BoolFlag); !bare {
		words, files, dirs := valuesOf(f.Names()[0])
		switch {
		case files || dirs:
			b.WriteString(" -r -F")
		case words != nil:
			b.WriteString(" -x -a " + fishQuote(strings.Join(words, " ")))
		default:
			b.WriteString(" -x")
		}
	}
	if d, ok := f.(ucli.DocGenerationFlag); ok {
		_, usage := splitUsage(d.GetUsage())
		b.WriteString(" -d " + fishQuote(usage))
	}
	return b.String()
}

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
