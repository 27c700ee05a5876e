package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

const (
	flagPassphrase     = "passphrase"
	flagPassphraseRoot = "passphrase-root"
	flagPassphraseFile = "passphrase-file"

	// agentLead begins a --key that lives with ssh-agent; the key's comment follows.
	agentLead = "agent:"
	envAgent  = "SSH_AUTH_SOCK"

	flagRootKey = "root-key"

	// shortestPassphrase in characters: a locked file that is copied can be tried at leisure.
	shortestPassphrase = 8
)

func keyFlag() ucli.Flag {
	return text(connecting, flagKey, "", "`KEY`: an admin key file to use instead of the one in the home directory, or agent:COMMENT for a key in ssh-agent")
}

func passphraseFileFlag() ucli.Flag {
	return text(connecting, flagPassphraseFile, "", "`FILE`: holds the passphrase of a locked key (mode 0600), for use without a terminal")
}

func rootKeyFlag() ucli.Flag {
	return many(connecting, flagRootKey, "", "`KEY`: a root key to use besides those in the home directory: a file, or agent:COMMENT for a key in ssh-agent, which may be on a security key; repeat for several")
}

// keyring opens the admin's keys wherever they are kept. A passphrase comes from the terminal, without echo, or from a
// file; never from the command line or the environment, where others can read it.
type keyring struct {
	socket  string                              // of ssh-agent
	file    string                              // with the passphrase; "": ask
	ask     func(prompt string) (string, error) // nil: there is no terminal
	opened  map[string]identity.Signer          // so that nobody is asked twice
	missing string                              // the hint where a key's file is not there
	roots   []string                            // root keys besides those in the home directory: files, or agent:COMMENT
}

func newKeyring(in *ucli.Context, e *env) *keyring {
	k := &keyring{socket: e.getenv(envAgent), file: in.String(flagPassphraseFile), roots: in.StringSlice(flagRootKey), opened: map[string]identity.Signer{}}
	if e.secret != nil {
		k.ask = func(prompt string) (string, error) { return e.secret(in.Context, prompt) }
	}
	return k
}

// admin returns the key that where names: a file, or agent:COMMENT.
func (k *keyring) admin(where string) (identity.Signer, error) {
	if s := k.opened[where]; s != nil {
		return s, nil
	}
	var s identity.Signer
	var err error
	if comment, ok := strings.CutPrefix(where, agentLead); ok {
		s, err = identity.DialAgent(k.socket, comment)
	} else {
		s, err = identity.UnlockKey[identity.Admin](where, k.passphrase(where))
	}
	if err != nil {
		return nil, k.problem("the admin's key", err)
	}
	k.opened[where] = s
	return s, nil
}

func (k *keyring) problem(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	p := faultf("%s: %w", what, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.with(k.missing)
	case errors.Is(err, identity.ErrLocked):
		p.with("there is no terminal to ask on; use --passphrase-file FILE (mode 0600)")
	}
	return p
}

// passphrase returns what asks for the passphrase of the key in this file, or nil if nobody can be asked.
func (k *keyring) passphrase(path string) func() (string, error) {
	switch {
	case k.file != "":
		return func() (string, error) { return readPassphrase(k.file) }
	case k.ask != nil:
		return func() (string, error) { return k.ask("passphrase of " + path + ": ") }
	}
	return nil
}

// fresh returns a passphrase for a new key: from the file, or typed twice.
func (k *keyring) fresh() (string, error) {
	if k.file == "" && k.ask == nil {
		return "", usagef("--passphrase: there is no terminal to ask on").with("use --passphrase-file FILE (mode 0600)")
	}
	if k.file != "" {
		words, err := readPassphrase(k.file)
		if err != nil {
			return "", faultf("%w", err)
		}
		return words, checkPassphrase(words)
	}
	words, err := k.ask("new passphrase: ")
	if err == nil {
		err = checkPassphrase(words)
	}
	if err != nil {
		return "", err
	}
	again, err := k.ask("repeat the passphrase: ")
	if err != nil {
		return "", err
	}
	if again != words {
		return "", usagef("the passphrases differ; nothing was created")
	}
	return words, nil
}

func checkPassphrase(words string) error {
	if len([]rune(words)) < shortestPassphrase || strings.TrimSpace(words) != words {
		return usagef("a passphrase needs at least %d characters and must not start or end with a space; nothing was created", shortestPassphrase)
	}
	return nil
}

func readPassphrase(file string) (string, error) {
	words, err := identity.ReadSecretFile(file)
	if err != nil {
		return "", fmt.Errorf("the passphrase: %w", err)
	}
	if words == "" {
		return "", fmt.Errorf("the passphrase: %s is empty", file)
	}
	return words, nil
}

// writeKey makes the file of a new key, locked where there is a passphrase.
func writeKey[K identity.Kind](path string, key identity.PrivateKey[K], passphrase string) error {
	if passphrase == "" {
		return identity.WriteKey(path, key)
	}
	return identity.WriteLockedKey(path, key, passphrase)
}

// canAskSecret reports whether there is a terminal to ask on; it need not be standard input, which may be a list of hosts.
func canAskSecret() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return err == nil && tty.Close() == nil
}

// askSecret reads a line from the terminal without showing it. The terminal is put right again also if ctx ends first.
func askSecret(ctx context.Context, prompt string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(tty, prompt)
	type typed struct {
		line []byte
		err  error
	}
	done := make(chan typed, 1)
	go func() { // outlives this call if ctx ends first; the process then ends as well
		line, err := term.ReadPassword(fd)
		done <- typed{line, err}
	}()
	select {
	case <-ctx.Done():
		err := term.Restore(fd, before)
		fmt.Fprintln(tty)
		return "", errors.Join(ctx.Err(), err)
	case t := <-done:
		fmt.Fprintln(tty)
		return string(t.line), errors.Join(t.err, tty.Close())
	}
}
