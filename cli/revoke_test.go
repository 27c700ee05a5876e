package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins"
)

// homeOfFleet writes what fleet init would have left of f on the admin's machine.
func homeOfFleet(t *testing.T, f *fleettest.Fleet) string {
	t.Helper()
	home := t.TempDir()
	brokers := strings.Join(f.Token(identity.Record{Role: identity.Member}).Seeds, "\n") + "\n"
	for name, text := range map[string]string{rootFile: f.Root.Anchor().String(), brokersFile: brokers, recordsFile: string(f.Root.Raw()), rosterFile: string(f.Signed)} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := identity.WriteKey(filepath.Join(home, rootKeyFile), f.Key); err != nil {
		t.Fatal(err)
	}
	if err := identity.WriteKey(filepath.Join(home, keyFile), f.Admin); err != nil {
		t.Fatal(err)
	}
	return home
}

// typed runs a command line off a terminal.
func typed(t *testing.T, home string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), &env{
		stdin: strings.NewReader(""), stdout: &o, stderr: &e, getenv: homeless,
		declarations: plugins.BuiltinDeclarations(), connect: connect, seed: func() int64 { return 7 }, planID: func() string { return planID }, patience: time.Minute,
	}, append([]string{"fleet"}, append(args, "--home", home)...))
	return code, o.String(), e.String()
}

func expect(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("lacks %q:\n%s", part, text)
		}
	}
}

func TestTokensAreListedAndRevoked(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	home := homeOfFleet(t, f)

	code, out, errs := typed(t, home, "token", "list")
	if code != 0 || out != "no tokens\n" {
		t.Fatalf("%d %q %s", code, out, errs)
	}
	code, text, errs := typed(t, home, "token", "create", "--role", "peer", "--label", "env=prod", "--network", "127.0.0.0/8")
	if code != 0 {
		t.Fatal(errs)
	}
	token, err := identity.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	id := string(token.Record.ID())
	_, out, errs = typed(t, home, "token", "list")
	expect(t, out, id, "usable", "peer", "env=prod", "127.0.0.0/8")
	expect(t, errs, "other admins list theirs on their own machines")
	raw, err := os.ReadFile(filepath.Join(home, tokensFile))
	if err != nil || bytes.Contains(raw, []byte(token.Secret.Secret())) || strings.Contains(string(raw), text) {
		t.Errorf("the list of tokens: %v, or it holds a secret: %s", err, raw)
	}

	if code, _, errs := typed(t, home, "token", "revoke", id); code != 2 {
		t.Errorf("off a terminal and without --yes: %d %s", code, errs)
	}
	if code, _, errs := typed(t, home, "token", "revoke", "web1", "-y"); code != 2 {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := typed(t, home, "token", "revoke", id, "-y"); code != 0 {
		t.Fatal(errs)
	}
	code, _, errs = typed(t, home, "token", "revoke", id, "-y")
	if code != 2 {
		t.Errorf("revoked twice: %d", code)
	}
	expect(t, errs, "already revoked")
	if _, err := f.TryJoin(t.Context(), "web2", token); err == nil || !strings.Contains(err.Error(), "has expired or was revoked") {
		t.Errorf("with the revoked token: %v", err)
	}

	elsewhere := string(identity.NewKey[identity.Joining]().Public().ID())
	if code, _, errs := typed(t, home, "token", "revoke", elsewhere, "-y"); code != 0 {
		t.Fatal(errs)
	}
	_, out, _ = typed(t, home, "token", "list", "-o", "json")
	var list struct{ Tokens report.Tokens }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Tokens) != 2 {
		t.Fatalf("%v in %s", err, out)
	}
	for _, token := range list.Tokens {
		if token.State != "revoked" || token.Elsewhere != (token.ID == elsewhere) {
			t.Errorf("%+v", token)
		}
	}
}

func TestExpiredTokensAreShownOnRequest(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	kept := []keptToken{{ID: "old", Expires: now.Add(-time.Hour)}, {ID: "now", Expires: now}, {ID: "new", Expires: now.Add(time.Hour)}}
	for all, want := range map[bool]string{true: "old expired now expired new usable", false: "new usable"} {
		var got []string
		for _, token := range tokenTable(kept, identity.Roster{}, all, now) {
			got = append(got, token.ID, token.State)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v", got)
		}
	}
}

func TestAHostIsRevokedByNameAndById(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Join("web3", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 3)
	home := homeOfFleet(t, f)

	code, _, errs := typed(t, home, "node", "revoke", "web4", "-y")
	if code != 2 {
		t.Errorf("a name that nobody has: %d", code)
	}
	expect(t, errs, `"web4" is neither a host in the fleet`, "web3")
	if code, _, errs = typed(t, home, "node", "revoke", "web2", "-y"); code != 0 {
		t.Fatal(errs)
	}
	expect(t, errs, "web2", "member", "is revoked", "fleet rotate")

	members, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var third job.Member
	for _, m := range members {
		if m.Name == "web3" {
			third = m
		}
	}
	if code, _, errs = typed(t, home, "node", "revoke", string(third.Node), "-y"); code != 0 {
		t.Fatal(errs)
	}
	r, err := c.Roster(t.Context())
	if err != nil || len(r.Revoked) != 2 || !r.IsRevoked(third.Node) || r.Version != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

// members is a fleet of which only the list of hosts is asked.
type members []job.Member

func (m members) Members(context.Context) ([]job.Member, error) { return m, nil }
func (m members) Close()                                        {}
func (m members) Roster(context.Context) (identity.Roster, error) {
	return identity.Roster{}, io.EOF
}
func (m members) Plan(context.Context, client.Request, func(client.Progress)) (client.Plan, error) {
	return client.Plan{}, io.EOF
}
func (m members) Run(context.Context, client.Request, func(client.Progress)) (client.Run, error) {
	return client.Run{}, io.EOF
}

func TestANameThatSeveralKeysHadIsNotGuessed(t *testing.T) {
	old, young, stranger := identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Node]().Public().ID()
	list := members{
		{Node: old, Name: "web1", Presence: job.MemberFailed, Role: identity.Member}, {Node: young, Name: "WEB1", Presence: job.Alive, Role: identity.Member},
	}
	e := &env{connect: func(context.Context, connection) (asker, error) { return list, nil }}
	_, err := e.whichNode(t.Context(), connection{}, "web1")
	if err == nil {
		t.Fatal("one was chosen")
	}
	expect(t, strings.Join(asProblem(err).hints, "\n"), string(old)+": member failed", string(young)+": member alive")
	for id, name := range map[identity.ID]string{old: "web1", young: "WEB1", stranger: ""} {
		m, err := e.whichNode(t.Context(), connection{}, string(id))
		if err != nil || m.Node != id || m.Name != name {
			t.Errorf("%+v %v", m, err)
		}
	}
}
