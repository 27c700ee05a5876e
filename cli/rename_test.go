package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/plugins"
)

// A host is renamed with a new token and keeps its key; a name that another live host has is refused, and nothing changes.
func TestAHostIsRenamedAndKeepsItsKey(t *testing.T) {
	f, c := fleettest.Up(t, 2)
	h := f.Join("web3", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 3)
	before, err := h.Membership()
	if err != nil {
		t.Fatal(err)
	}
	h.Stop()
	rename := func(name string) (int, string) {
		now := time.Now().Add(time.Second) // made after the host joined
		file := filepath.Join(t.TempDir(), "token")
		token := f.Token(identity.Record{Role: identity.Member, Created: now, Expires: now.Add(time.Hour)})
		if err := os.WriteFile(file, []byte(token.Text()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := run(t.Context(), &env{stdout: &out, stderr: &errs, getenv: homeless, declarations: plugins.BuiltinDeclarations()},
			[]string{"fleet", "node", "rename", name, "--join", "@" + file, "--data", h.Dir})
		return code, errs.String()
	}
	if code, errs := rename("web2"); code != 1 || !strings.Contains(errs, "belongs to another living host") {
		t.Errorf("a name that is taken: %d %s", code, errs)
	}
	if code, errs := rename("web33"); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	h.Start()
	f.Await(c, 3)
	members, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]identity.ID{}
	for _, m := range members {
		names[m.Name] = m.Node
	}
	if names["web33"] != before.Key.Public().ID() || names["web3"] != "" {
		t.Errorf("the fleet knows %v", names)
	}
}
