package plugins

import (
	"fmt"
	"strings"

	"fleet/internal/nearest"
	"fleet/plugins/plugin"
)

// Words reads what follows a plugin's name on a command line: an action and its arguments, as `status openssl` or
// `openssl status`. Arguments are k=v, or bare for positional inputs in their order. It only sorts the words;
// Action.Parse then checks them. Errors say what would have been understood.
//
// Words that are the names of two actions where one could be a value (`status update` of a plugin with both) are
// refused: which one is meant decides whether a host is changed.
func Words(d plugin.Declaration, words []string) (action string, args map[string]string, err error) {
	a, rest, err := findAction(d, words)
	if err != nil {
		return "", nil, err
	}
	args = map[string]string{}
	var bare []string
	for _, word := range rest {
		name, value, isPair := strings.Cut(word, "=")
		if !isPair {
			bare = append(bare, word)
			continue
		}
		if !hasInput(a, name) {
			return "", nil, fmt.Errorf("%s %s has no argument %q%s", d.Name, a.Name, name, takes(a, name))
		}
		if _, twice := args[name]; twice {
			return "", nil, fmt.Errorf("%s is given twice", name)
		}
		args[name] = value
	}
	for _, in := range a.Inputs {
		if _, given := args[in.Name]; in.Positional && !given && len(bare) > 0 {
			args[in.Name], bare = bare[0], bare[1:]
		}
	}
	if len(bare) > 0 {
		return "", nil, fmt.Errorf("%s %s takes no argument %q%s", d.Name, a.Name, bare[0], takes(a, ""))
	}
	return a.Name, args, nil
}

// findAction picks the action out of the words: the first or the second that is no k=v.
func findAction(d plugin.Declaration, words []string) (plugin.Action, []string, error) {
	var at []int // of the first two bare words
	for i, word := range words {
		if !strings.Contains(word, "=") && len(at) < 2 {
			at = append(at, i)
		}
	}
	var found []int
	for _, i := range at {
		if _, ok := d.Action(words[i]); ok {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 2 && words[found[0]] != words[found[1]]:
		first, second := words[found[0]], words[found[1]]
		return plugin.Action{}, nil, fmt.Errorf("%s has both actions %s and %s; mark the value, as in %s", d.Name, first, second, example(d, first, second))
	case len(found) > 0:
		a, _ := d.Action(words[found[0]])
		rest := append(append([]string{}, words[:found[0]]...), words[found[0]+1:]...)
		return a, rest, nil
	}
	return plugin.Action{}, nil, noAction(d, words, at)
}

// example is a command line in which value cannot be taken for an action.
func example(d plugin.Declaration, action, value string) string {
	a, _ := d.Action(action)
	for _, in := range a.Inputs {
		if in.Positional {
			return fmt.Sprintf("`%s %s %s=%s`", d.Name, action, in.Name, value)
		}
	}
	return fmt.Sprintf("`%s %s`", d.Name, action)
}

func noAction(d plugin.Declaration, words []string, at []int) error {
	names := make([]string, len(d.Actions))
	for i, a := range d.Actions {
		names[i] = a.Name
	}
	known := "; it can " + strings.Join(names, ", ")
	if len(at) == 0 {
		return fmt.Errorf("%s needs an action%s", d.Name, known)
	}
	for _, i := range at {
		if near := nearest.Names(words[i], names, 1); len(near) > 0 {
			return fmt.Errorf("%s has no action %q; did you mean %s?", d.Name, words[i], near[0])
		}
	}
	if len(at) == 1 {
		return fmt.Errorf("%s has no action %q%s", d.Name, words[at[0]], known)
	}
	return fmt.Errorf("neither %q nor %q is an action of %s%s", words[at[0]], words[at[1]], d.Name, known)
}

func hasInput(a plugin.Action, name string) bool {
	for _, in := range a.Inputs {
		if in.Name == name {
			return true
		}
	}
	return false
}

// takes says which arguments there are, or the one that was probably meant.
func takes(a plugin.Action, typo string) string {
	if len(a.Inputs) == 0 {
		return "; it takes no arguments"
	}
	names := make([]string, len(a.Inputs))
	for i, in := range a.Inputs {
		names[i] = in.Name
	}
	if near := nearest.Names(typo, names, 1); len(near) > 0 {
		return "; did you mean " + near[0] + "?"
	}
	return "; it takes " + strings.Join(names, ", ")
}
