package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

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

// root returns the root keys that are in the home directory. None at all is an error.
func (k *keyring) root(home string) (holders []identity.RootSigner, err error) {
	for _, name := range rootKeyFiles() {
		path := filepath.Join(home, name)
		key, err := identity.UnlockKey[identity.Root](path, k.passphrase(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, k.problem("the root key", err)
		}
		holders = append(holders, identity.FileRoot(key))
	}
	if len(holders) == 0 {
		return nil, faultf("changing the roster needs the root key, and there is no %s", filepath.Join(home, rootKeyFile))
	}
	return holders, nil
}
