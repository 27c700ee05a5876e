package cli

import (
	"fmt"
	"os"

	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

func policyVerb() verb {
	return verb{
		name: "policy", group: groupLearn, brief: "check a policy file, or convert MCollective's", takes: "check|import",
		about: []string{"What " + policyPath + " on a host says goes before the roster: its first rule that fits decides. Nothing here asks a host; fleet can does."},
		subverbs: []verb{
			{
				name: "check", brief: "check a host's policy file", takes: "FILE", atLeast: 1, atMost: 1,
				about:    []string{"Names all faults, each with its line. One fault, and a host refuses the whole file and all changes until it is mended."},
				examples: []example{{"fleet policy check policy.toml", "before it goes to " + policyPath}},
				do:       func(e *env, in *ucli.Context) error { return e.policyCheck(in.Args().First()) },
			},
			{
				name: "import", brief: "make a host's policy of an actionpolicy file of MCollective", takes: "PLUGIN.policy", atLeast: 1, atMost: 1,
				about: []string{
					"Prints a policy file that decides the same, but that a caller fits as a whole and not as a part of another name. cert=NAME and uid=NAME become the admin NAME in the roster.",
					"The plugin's name is the file's. A line that cannot be said exactly is a fault, with its line, and then nothing is printed; MCollective skips such lines.",
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
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o022 != 0 {
		return usagef("%s can be written by others (mode %04o), and a host does not take it so", name, info.Mode().Perm()).with("chmod go-w " + name)
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
	text, err := policy.Import(name, data)
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
