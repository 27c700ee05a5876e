package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fleet/internal/trustedfile"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

func policyVerb() verb {
	return verb{
		name: "policy", group: groupLearn, brief: "check a policy file, or convert MCollective's", takes: "check|import",
		about: []string{"What " + policyPath + " on a host says overrides the roster: the first rule that matches decides. No host is asked here; to ask hosts, use fleet can."},
		subverbs: []verb{
			{
				name: "check", brief: "check a host's policy file", takes: "FILE", atLeast: 1, atMost: 1,
				about:    []string{"Lists every error with its line. With a single error in the file, a host rejects all of it and refuses changes until it is fixed. Unknown plugins, actions and arguments are warnings, because hosts may have other plugins."},
				examples: []example{{"fleet policy check policy.toml", "before you copy it to " + policyPath}},
				do:       func(e *env, in *ucli.Context) error { return e.policyCheck(in.Args().First()) },
			},
			{
				name: "import", brief: "convert an actionpolicy file of MCollective", takes: "PLUGIN.policy", atLeast: 1, atMost: 1,
				about: []string{
					"Prints a policy file that decides the same, except that a caller must match as a whole and not as part of another name. cert=NAME and uid=NAME become the admin NAME in the roster. default.policy becomes rules for every plugin and the file's default.",
					"The file's name is that of the plugin. A line that cannot be translated exactly, such as one that denies an action that fleet does not have, is an error, and then nothing is printed; MCollective skips such lines.",
				},
				examples: []example{{"fleet policy import service.policy > policy.toml", ""}},
				do:       func(e *env, in *ucli.Context) error { return e.policyImport(in.Args().First()) },
			},
		},
	}
}

func (e *env) policyCheck(name string) error {
	data, err := readPolicy(name)
	if err != nil {
		return err
	}
	f, err := policy.Parse(name, data)
	if err != nil {
		return usagef("%w", err)
	}
	if file, err := filepath.Abs(name); err == nil && file == policyPath {
		if _, err := trustedfile.Resolve(file); err != nil {
			return usagef("this host rejects its policy: %w", err)
		}
	} else if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o022 != 0 {
		return usagef("other users can write to %s (mode %04o), so hosts would reject it", name, info.Mode().Perm()).with("chmod go-w " + name)
	}
	for _, n := range f.Names() {
		if strings.HasPrefix(n.Action, policy.TokenPlugin+".") {
			e.note("warning: %s:%d: the rule has no effect on tokens: they are a right of roles alone (fleet role allow)", name, n.Line)
			continue
		}
		for _, doubt := range e.doubts(n.Action, n.Args) {
			e.note("warning: %s:%d: %s", name, n.Line, doubt)
		}
	}
	rules := fmt.Sprintf("%d rules", f.Rules())
	if f.Rules() == 1 {
		rules = "1 rule"
	}
	return e.print("good: " + rules + "\n")
}

func (e *env) policyImport(name string) error {
	data, err := readPolicy(name)
	if err != nil {
		return err
	}
	text, err := policy.Import(name, data, e.actionNames())
	if err != nil {
		return usagef("%w", err)
	}
	return e.print(text)
}

// readPolicy reads a file whose size policy bounds.
func readPolicy(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > policy.MaxFile {
		return nil, usagef("%s is not a regular file, or is larger than %d bytes", name, policy.MaxFile)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, faultf("%w", err)
	}
	return data, nil
}
