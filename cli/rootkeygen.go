package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

func rootKeygenVerb() verb {
	return verb{
		name: "keygen", brief: "create a root key of your own and print its public half", takes: "", atMost: 0,
		about: []string{
			"For a holder of one of several root keys: the key is written to a free name in the home directory (root.key, root-2.key, ..., mode 0600) and stays there. The line on standard output is not secret; whoever replaces the root takes it with --with-key.",
			"With --root-key agent:COMMENT no key is created: the line names the ssh-ed25519 or sk-ssh-ed25519 key with that comment in ssh-agent. The latter is on a security key, which has to be touched each time (ssh-keygen -t ed25519-sk -O application=ssh:fleet).",
		},
		examples: []example{
			{"fleet root keygen --passphrase", "in a file, locked with a passphrase"},
			{"fleet root keygen --root-key agent:fleet", "a key in ssh-agent, which may be on a security key"},
		},
		flags: append([]ucli.Flag{
			toggle(foundFlags, flagPassphrase, "", "lock the key with a passphrase"),
			rootKeyFlag(), passphraseFileFlag(),
		}, homeFlags()...),
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.rootKeygen(in) },
	}
}

func (e *env) rootKeygen(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	home, err := homeOf(in, c)
	if err != nil {
		return err
	}
	keys := newKeyring(in, e)
	if len(keys.roots) > 0 {
		comment, ok := strings.CutPrefix(keys.roots[0], agentLead)
		if !ok || len(keys.roots) > 1 || in.Bool(flagPassphrase) {
			return usagef("--%s is one key with ssh-agent here, such as agent:fleet, which locks it itself", flagRootKey)
		}
		s, err := identity.DialAgentRoot(keys.socket, comment)
		if err != nil {
			return keys.problem("the root key", err)
		}
		e.note("to sign with it: --%s %s", flagRootKey, shellWord(keys.roots[0]))
		return e.print(s.Key().String() + "\n")
	}
	names, err := freeRootKeys(home, 1)
	if err != nil {
		return err
	}
	passphrase := ""
	if in.Bool(flagPassphrase) {
		if passphrase, err = keys.fresh(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return faultf("the home directory: %w", err)
	}
	key, path := identity.NewKey[identity.Root](), filepath.Join(home, names[0])
	if err := writeKey(path, key, passphrase); err != nil {
		return faultf("%w", err)
	}
	e.note("wrote your root key to %s; the line below is its public half", path)
	return e.print(identity.RootKey{Key: key.Public()}.String() + "\n")
}

// parseRootKeyList reads --with-key: at most so many keys, each once.
func parseRootKeyList(texts []string, most int) (keys []identity.RootKey, err error) {
	for _, text := range texts {
		k, err := identity.ParseRootKey(text)
		if err != nil {
			return nil, usagef("--%s: %w", flagWithKey, err).with("it is the line that fleet root keygen prints")
		}
		if slices.ContainsFunc(keys, k.Equal) {
			return nil, usagef("--%s: %s is given twice", flagWithKey, k)
		}
		keys = append(keys, k)
	}
	if len(keys) > most {
		return nil, usagef("--%s is given for %d keys, and the new root has %d", flagWithKey, len(keys), most)
	}
	return keys, nil
}
