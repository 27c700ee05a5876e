package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"fleet/identity"
	"fleet/internal/atomicfile"

	ucli "github.com/urfave/cli/v2"
)

// Holders of root keys need not come together. A command that changes what the root signs writes the change to a file (--propose); each
// holder looks at it and signs it (fleet root sign), and the last file is handed in (fleet root send).

const (
	flagPropose = "propose"

	// maxChangeFile bounds the file; the identity package bounds what is in it.
	maxChangeFile = 1 << 20
)

// changeFlags are for commands that change what the root signs and can leave the signing to others.
func changeFlags() []ucli.Flag {
	return append([]ucli.Flag{
		text(foundFlags, flagPropose, "", "`FILE`: change nothing yet; write the change to this file, for the holders of the root keys to sign"),
	}, rosterFlags()...)
}

// proposal is a change that is written to a file instead of being handed in.
type proposal struct {
	file   string
	change *identity.Change // nil: nothing was added yet
}

// parsePropose reads --propose; nil: it was not given.
func parsePropose(in *ucli.Context) (*proposal, error) {
	file := in.String(flagPropose)
	if file == "" {
		return nil, nil
	}
	if exists(file) {
		return nil, usagef("--%s: %s already exists; nothing was written", flagPropose, file)
	}
	return &proposal{file: file}, nil
}

// drop removes a file in which the change is not whole.
func (p *proposal) drop() {
	if p != nil && p.change != nil {
		os.Remove(p.file)
	}
}

// isProposed reports whether the command ended because it wrote the change to a file: all went well, and nothing has changed yet.
func isProposed(err error) bool { return err != nil && asProblem(err).ending == endFine }

// propose adds what is to be signed to the file, with the signatures of the root keys that are here. What it returns ends the command;
// see isProposed.
func (x rosterEdit) propose(body []byte) error {
	p := x.o.propose
	var c identity.Change
	var err error
	if p.change == nil {
		c, err = identity.NewChange(x.c.Authority(), x.c.Rules().Roster, body)
	} else {
		c, err = p.change.Adding(body)
	}
	if err != nil {
		return faultf("%w", err)
	}
	return x.proposeChange(c)
}

func (x rosterEdit) proposeChange(c identity.Change) error {
	for _, h := range (identity.Quorum{Authority: c.Root, Holders: x.root}).Own() {
		if _, err := c.Sign(h); err != nil {
			return faultf("%w", err)
		}
	}
	if err := writeChange(x.o.propose.file, c); err != nil {
		return err
	}
	x.o.propose.change = &c
	return (&problem{ending: endFine}).with("nothing has changed yet: " + whatNext(x.o.propose.file, c))
}

// whatNext says what is to be done with a file.
func whatNext(file string, c identity.Change) string {
	word := shellWord(file)
	missing, own := c.Missing()
	if missing += own; missing > 0 {
		return fmt.Sprintf("%d more of the root keys must sign %s; a holder runs: fleet root sign %s", missing, file, word)
	}
	return fmt.Sprintf("enough root keys have signed %s; an admin runs: fleet root send %s", file, word)
}

// tooFewKeys says what to do where root keys are missing.
func (e *env) tooFewKeys(err error) *problem {
	p := usagef("%w", err)
	if errors.Is(err, identity.ErrTooFewKeys) {
		p.with("nothing was changed; to have the others sign: "+e.again()+" --"+flagPropose+" FILE", "or put more root keys (root-2.key, ...) into the home directory while the command runs")
	}
	return p
}

func writeChange(file string, c identity.Change) error {
	text, err := c.Text()
	if err == nil {
		err = atomicfile.Write(file, []byte(text+"\n"), 0o644)
	}
	if err != nil {
		return faultf("%w", err)
	}
	return nil
}

// readChange reads a change from a file that anybody may have written.
func readChange(file string, anchor identity.Anchor) (c identity.Change, err error) {
	info, err := os.Stat(file)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxChangeFile) {
		err = fmt.Errorf("%s is not a regular file, or larger than %d bytes", file, maxChangeFile)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err == nil {
		if c, err = identity.ParseChange(anchor, strings.TrimSpace(string(text))); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
	}
	if err != nil {
		return c, usagef("%w", err)
	}
	return c, nil
}
