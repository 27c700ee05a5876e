package cli

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
)

// overtaking is an edit that adds a role, during which another admin is quicker, once: with two versions, so that it is not
// left to the hashes which one counts.
func overtaking(t *testing.T, f *fleettest.Fleet, c *client.Client) func(*identity.Roster) error {
	overtaken := false
	return func(r *identity.Roster) error {
		r.Roles = append(r.Roles, identity.RoleEntry{Name: "mine"})
		if overtaken {
			return nil
		}
		overtaken = true
		for _, role := range []string{"theirs", "more"} {
			now, err := c.Roster(t.Context())
			if err != nil {
				return err
			}
			now.Roles = append(now.Roles, identity.RoleEntry{Name: role})
			signed, err := identity.SignRoster(f.Root, now.Next("bob"), time.Now())
			if err != nil {
				return err
			}
			if err := c.PutDocument(t.Context(), signed); err != nil {
				return err
			}
		}
		return nil
	}
}

// A change that lost to another one is never lost in silence: at a terminal it can be made again, elsewhere it is an error
// with the command.
func TestAChangeThatLost(t *testing.T) {
	for _, tt := range []struct {
		name, answer string // "": no terminal
		want         string // all roles in the end
		code         int
		says         string
	}{
		{"made again", "y\n", "all theirs more mine", 0, "Make it again as version 4? [y/N]"},
		{"given up", "n\n", "all theirs more", 130, "lost to version 3 by bob ("},
		{"off a terminal", "", "all theirs more", 1, "lost to version 3 by bob ("},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fleettest.New(t)
			f.First().Start()
			c := f.Client()
			home := homeOfFleet(t, f)
			var errs bytes.Buffer
			e := &env{
				stdin: strings.NewReader(tt.answer), stdout: io.Discard, stderr: &errs, getenv: func(string) string { return "" },
				canAsk: tt.answer != "", connect: connect, line: []string{"fleet", "role", "allow", "mine", "--hosts", "env=prod and x"},
			}
			o := connection{home: home, key: filepath.Join(home, keyFile), brokers: []string{f.Broker()}, keys: &keyring{opened: map[string]identity.Signer{}}, log: slog.New(slog.DiscardHandler)}
			_, err := e.editRoster(t.Context(), o, overtaking(t, f, c))
			text, code := errs.String(), 0
			if err != nil {
				p := asProblem(err)
				text, code = text+err.Error()+strings.Join(p.hints, ""), p.ending.code()
			}
			if code != tt.code {
				t.Errorf("code %d, want %d: %s", code, tt.code, text)
			}
			expect(t, text, tt.says)
			if tt.answer == "" {
				expect(t, text, "fleet role allow mine --hosts 'env=prod and x'")
			}
			r, err := c.Roster(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var roles []string
			for _, role := range r.Roles {
				roles = append(roles, role.Name)
			}
			if got := strings.Join(roles, " "); got != tt.want {
				t.Errorf("the roles are %q, want %q", got, tt.want)
			}
			raw, err := os.ReadFile(filepath.Join(home, rosterFile))
			if err != nil {
				t.Fatal(err)
			}
			kept, err := identity.OpenRoster(f.Root.Authority, raw)
			if err != nil || !r.Knows(kept.Hash) || tt.code == 0 && kept.Hash != r.Hash {
				t.Errorf("kept is version %d: %v", kept.Version, err)
			}
		})
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{"web1": "web1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "--until=8h": "--until=8h"} {
		if got := shellWord(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}
