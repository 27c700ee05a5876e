package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"fleet/identity"
)

// rootKeyFiles are the names that root keys may have in a home directory: root.key, root-2.key and so on.
func rootKeyFiles() []string {
	names := []string{rootKeyFile}
	for i := 2; i <= identity.MaxRootKeys; i++ {
		names = append(names, fmt.Sprintf("root-%d.key", i))
	}
	return names
}

// freeRootKeys are names for n root keys in the home directory that no file has.
func freeRootKeys(home string, n int) (names []string, err error) {
	for _, name := range rootKeyFiles() {
		if len(names) < n && !exists(filepath.Join(home, name)) {
			names = append(names, name)
		}
	}
	if len(names) < n {
		return nil, usagef("%s has no room for %d more root keys", home, n).with("move root keys that are not needed any more to another place")
	}
	return names, nil
}

var errNoRootKey = errors.New("there is none")

// root returns the root keys that are in the home directory, and those that --root-key names. None at all is an error.
func (k *keyring) root(home string) (holders []identity.RootSigner, err error) {
	for _, name := range rootKeyFiles() {
		path := filepath.Join(home, name)
		if !exists(path) {
			continue
		}
		if holders, err = k.addRoot(holders, path); err != nil {
			return nil, err
		}
	}
	for _, where := range k.roots {
		if holders, err = k.addRoot(holders, where); err != nil {
			return nil, err
		}
	}
	if len(holders) == 0 {
		return nil, faultf("changing the roster needs the root key, and %w: %s", errNoRootKey, filepath.Join(home, rootKeyFile))
	}
	return holders, nil
}

// addRoot adds the root key that where names: a file, or agent:COMMENT.
func (k *keyring) addRoot(holders []identity.RootSigner, where string) ([]identity.RootSigner, error) {
	if comment, ok := strings.CutPrefix(where, agentLead); ok {
		s, err := identity.DialAgentRoot(k.socket, comment)
		if err != nil {
			return nil, k.problem("the root key", err)
		}
		return append(holders, s), nil
	}
	key, err := identity.UnlockKey[identity.Root](where, k.passphrase(where))
	if err != nil {
		return nil, k.problem("the root key", err)
	}
	return append(holders, identity.FileRoot(key)), nil
}
