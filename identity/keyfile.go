package identity

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// WriteKey writes a private key to a new file of mode 0600. It refuses to replace a file.
func WriteKey[K Kind](path string, k PrivateKey[K]) error { return writeKey[K](path, k.Secret()) }

// WriteLockedKey is WriteKey for a key that only the passphrase opens (see lock.go). It takes half a second.
func WriteLockedKey[K Kind](path string, k PrivateKey[K], passphrase string) error {
	text, err := lock(k, passphrase, lockWork)
	if err != nil {
		return fmt.Errorf("write %s key: %w", kindOf[K](), err)
	}
	return writeKey[K](path, text)
}

func writeKey[K Kind](path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s key: %w", kindOf[K](), err)
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// ErrLocked says that a key's file is locked with a passphrase and that there was nobody to ask for it.
var ErrLocked = errors.New("the key is locked with a passphrase")

// ReadKey reads a private key from its file, which only its owner may be able to read or write. A locked one is ErrLocked.
func ReadKey[K Kind](path string) (PrivateKey[K], error) { return UnlockKey[K](path, nil) }

// UnlockKey is ReadKey that asks for the passphrase where the key is locked. Unlocking takes half a second.
func UnlockKey[K Kind](path string, passphrase func() (string, error)) (PrivateKey[K], error) {
	var none PrivateKey[K]
	text, err := ReadSecretFile(path)
	if err != nil {
		return none, fmt.Errorf("read %s key: %w", kindOf[K](), err)
	}
	k, err := parseKey[K](text, passphrase)
	if err != nil {
		return none, fmt.Errorf("read %s key %s: %w", kindOf[K](), path, err)
	}
	return k, nil
}

func parseKey[K Kind](text string, passphrase func() (string, error)) (PrivateKey[K], error) {
	if !strings.HasPrefix(text, lockedPrefix[K]()) {
		return ParseSecret[K](text)
	}
	if passphrase == nil {
		return PrivateKey[K]{}, ErrLocked
	}
	words, err := passphrase()
	if err != nil {
		return PrivateKey[K]{}, err
	}
	return unlock[K](text, words)
}

// ReadSecretFile reads a small file that holds a secret and refuses one that group or others can read.
func ReadSecretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("other users can read %s (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxTokenText {
		return "", fmt.Errorf("%s is too large for a key or a token (%d bytes)", path, info.Size())
	}
	b := make([]byte, info.Size())
	n, err := f.Read(b)
	if err != nil && n == 0 {
		return "", fmt.Errorf("%s is empty", path)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(b[:n]), "\uFEFF")), nil // a mark that programs from Windows leave
}
