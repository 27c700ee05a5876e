package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

// A token is signed where its admin sits, and nobody else hears of it until a host comes with it. So each admin's home
// directory keeps what was made there, one JSON document a line, without the secrets: enough to find the id to revoke.

const (
	tokensFile   = "tokens"
	tokensSchema = "fleet.token/v1"
	// maxTokensFile bounds what is read back: some ten thousand tokens.
	maxTokensFile = 4 << 20
)

// keptToken is a line of the file.
type keptToken struct {
	Schema   string            `json:"schema"`
	ID       identity.ID       `json:"id"`
	Role     identity.Role     `json:"role"`
	Labels   map[string]string `json:"labels,omitempty"`
	Networks []string          `json:"networks,omitempty"`
	Created  time.Time         `json:"created"`
	Expires  time.Time         `json:"expires"`
}

// keepToken adds a token that was just made to the list.
func keepToken(home string, t identity.Token) error {
	r := t.Record
	line, err := json.Marshal(keptToken{tokensSchema, r.ID(), r.Role, r.Labels, r.Networks, r.Created, r.Expires})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(home, tokensFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("record the token's id: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// readTokens reads the list, oldest first; no file is an empty one.
func readTokens(home string) ([]keptToken, error) {
	file := filepath.Join(home, tokensFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, faultf("read the list of tokens: %w", err)
	}
	if len(raw) > maxTokensFile {
		return nil, faultf("%s is larger than %d bytes; remove its oldest lines", file, maxTokensFile)
	}
	var list []keptToken
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var t keptToken
		if err := dec.Decode(&t); err != nil || t.Schema != tokensSchema || !t.ID.Valid() {
			return nil, faultf("%s:%d is not a valid %s line; remove it", file, number, tokensSchema)
		}
		list = append(list, t)
	}
	return list, nil
}

func listTokensVerb() verb {
	return verb{
		name: "list", brief: "list the tokens created here, and all revoked ones",
		about: []string{
			"A token is signed on its admin's machine and recorded nowhere else, so this lists the tokens created with this home directory. Other admins list theirs on their own machines. Revoked tokens are in the roster and are always listed.",
			"Expired tokens are shown only with --all.",
		},
		examples: []example{
			{"fleet token list", "the tokens that work now"},
			{"fleet token list --all -o json", "all tokens, as JSON"},
		},
		flags: append([]ucli.Flag{
			toggle(foundFlags, flagAll, "", "include expired tokens"),
			text(whatToPrint, flagOutput, "o", "`FORMAT`: table, json, jsonl, yaml, csv or name"),
			toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
			many(connecting, flagBroker, "", "`HOST:PORT`: a broker to use instead of the configured ones; repeat for several"),
			keyFlag(), passphraseFileFlag(),
		}, homeFlags()...),
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.listTokens(in.Context, in) },
	}
}

func (e *env) listTokens(ctx context.Context, in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	p, err := e.parsePrinting(in, c)
	if err != nil {
		return err
	}
	o, err := parseConnection(in, c, e)
	if err != nil {
		return err
	}
	kept, err := readTokens(o.home)
	if err != nil {
		return err
	}
	roster, err := e.fleetRoster(ctx, o)
	if err != nil {
		return err
	}
	out, err := tokenTable(kept, roster, in.Bool(flagAll), time.Now()).Render(p.format)
	if err != nil {
		return faultf("%w", err)
	}
	e.note("tokens created with %s; other admins list theirs on their own machines", o.home)
	return e.print(string(out))
}

// tokenTable joins what was made here with what is revoked anywhere.
func tokenTable(kept []keptToken, roster identity.Roster, all bool, now time.Time) report.Tokens {
	var table report.Tokens
	for _, t := range kept {
		line := report.Token{ID: string(t.ID), State: "usable", Role: string(t.Role), Labels: t.Labels, Networks: t.Networks, Created: t.Created, Expires: t.Expires}
		switch {
		case roster.IsRevoked(t.ID):
			line.State = "revoked"
		case !now.Before(t.Expires):
			line.State = "expired"
		}
		if line.State != "expired" || all {
			table = append(table, line)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(roster.Revoked)) {
		made := slices.ContainsFunc(kept, func(t keptToken) bool { return t.ID == id })
		if roster.Revoked[id].What == identity.RevokedToken && !made {
			table = append(table, report.Token{ID: string(id), State: "revoked", Elsewhere: true})
		}
	}
	return table
}

// fleetRoster asks the fleet for its roster.
func (e *env) fleetRoster(ctx context.Context, o connection) (identity.Roster, error) {
	config, err := o.config()
	if err != nil {
		return identity.Roster{}, err
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return identity.Roster{}, faultf("%w", err).with(hintBrokers(filepath.Join(o.home, brokersFile)))
	}
	defer c.Close()
	roster, err := c.Roster(ctx)
	if err != nil {
		return roster, faultf("%w", err)
	}
	return roster, nil
}
