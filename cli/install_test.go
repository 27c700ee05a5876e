package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
)

// The service runs as root, so nobody else may be able to say what it runs.
func TestWhatOthersCanChangeIsNotInstalled(t *testing.T) {
	for name, tt := range map[string]struct {
		file        string
		mode, above os.FileMode
		want        string
	}{
		"a good one":                 {"fleet", 0o755, 0o755, ""},
		"file for all":               {"fleet", 0o777, 0o755, "can be written by others"},
		"file for the group":         {"fleet", 0o775, 0o755, "can be written by others"},
		"folder for all":             {"fleet", 0o755, 0o777, "can be written by others"},
		"sticky folder":              {"fleet", 0o755, 0o777 | os.ModeSticky, "can be written by others"},
		"a space":                    {"my fleet", 0o755, 0o755, "cannot run a program at"},
		"what systemd would fill in": {"fleet%h", 0o755, 0o755, "cannot run a program at"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bin")
			binary := filepath.Join(dir, tt.file)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(binary, nil, 0o755); err != nil {
				t.Fatal(err)
			}
			for path, mode := range map[string]os.FileMode{binary: tt.mode, dir: tt.above} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			err := installable(binary, filepath.Join(dir, "no.toml"))
			if tt.want == "" {
				config := filepath.Join(dir, "fleet.toml")
				if err := os.WriteFile(config, nil, 0o644); err != nil {
					t.Fatal(err)
				}
				if err := installable(binary, config); err != nil {
					t.Error(err)
				}
				if err := os.Chmod(config, 0o666); err != nil {
					t.Fatal(err)
				}
				if err := installable(binary, config); err == nil || !strings.Contains(err.Error(), "read a config that others can change") {
					t.Error(err)
				}
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A token that waits to be used is replaced by one of the same fleet only.
func TestPlaceTokenKeepsFleetsApart(t *testing.T) {
	root, admin := identitytest.Root().Anchor(), identity.NewKey[identity.Admin]()
	text := func(root identity.Anchor) string {
		now := time.Now()
		token, err := identity.NewToken(root, admin, identity.Record{Role: identity.Member, Created: now, Expires: now.Add(time.Hour), Roster: 1}, []string{"10.0.0.5:7421"})
		if err != nil {
			t.Fatal(err)
		}
		return token.Text() + "\n"
	}
	fresh := text(root)
	for _, c := range []struct{ there, want string }{
		{"", ""}, {text(root), ""}, {text(identitytest.Root().Anchor()), "a token of another fleet (id "}, {"my notes\n", "something else than a token"},
	} {
		file, to := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "etc", "join")
		if err := errors.Join(os.Mkdir(filepath.Dir(to), 0o755), os.WriteFile(file, []byte(fresh), 0o600)); err != nil {
			t.Fatal(err)
		}
		if c.there != "" {
			if err := os.WriteFile(to, []byte(c.there), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := placeToken(file, to)
		left, _ := os.ReadFile(to)
		if c.want == "" && (err != nil || string(left) != fresh) {
			t.Errorf("%v, or another token than the new one", err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || string(left) != c.there) {
			t.Errorf("%v, or what was there is gone; want %q", err, c.want)
		}
	}
}
