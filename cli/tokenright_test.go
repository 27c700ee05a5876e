package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/fleettest"
)

func TestTokensAreARight(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	ann := person{t: t, home: homeOfFleet(t, f)}
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "dev")
	expect(t, ann.must(0, "role", "allow", "dev", "--action", "token.member", "--hosts", "env=dev"), "role dev now allows: token.member with labels env=dev")
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)
	expect(t, bob.must(0, "whoami"), "1  token.member with labels env=dev")

	expect(t, ann.must(0, "can", "bob", "token", "member", "env=dev"), "yes: role dev, rule 1: token.member with labels env=dev\n")
	expect(t, ann.must(7, "can", "bob", "token", "member", "env=prod"), "no: no role of bob allows token.member with these labels (roles: dev)\n")
	expect(t, ann.must(7, "can", "bob", "token", "peer", "env=dev", "-o", "json"), `"allowed": false`, `"by": "no role of bob allows token.peer`)
	expect(t, ann.must(0, "can", "ann", "token", "peer"), "yes: role all, rule 1: *.*")
	expect(t, ann.must(7, "can", "eve", "token", "peer"), "no: no admin called eve in roster version 3")
	expect(t, ann.must(2, "can", "bob", "token", "broker"), "it is peer, member or ephemeral")
	expect(t, ann.must(2, "can", "bob", "token", "peer", "-I", "web1"), "leave out the host filter")

	// Where nobody knows the roster, the host that admits says no.
	if err := os.Remove(filepath.Join(bob.home, rosterFile)); err != nil {
		t.Fatal(err)
	}
	_, text, _ := bob.run("token", "create", "--role", "peer", "--label", "env=dev")
	refusedToken(t, f, text, "the fleet refused to admit this host", "bob may not create this token: no role of bob allows token.peer with these labels (roles: dev)")

	// Where the home has it, none is created.
	copyRoster(t, ann, bob)
	text = bob.must(7, "token", "create", "--role", "peer", "--label", "env=dev", "--label", "rack=a 1")
	expect(t, text, "no host could join with this token: no role of bob allows token.peer", `fleet role allow dev --action token.peer --hosts 'env=dev and rack="a 1"'`)
	expect(t, bob.must(7, "token", "create"), "no role of bob allows token.member with these labels", "ask an admin who has the root key to run: fleet role allow dev --action token.member\n")
	if list := bob.must(0, "token", "list"); strings.Count(list, "\n") != 3 { // the head, the one above, and where the others are
		t.Errorf("a token that was refused is listed:\n%s", list)
	}

	_, text, errs := bob.run("token", "create", "--label", "env=dev")
	token, err := identity.ParseToken(text)
	if err != nil {
		t.Fatal(err, errs)
	}
	f.Join("web2", token)

	// The roster at home is old: the right came with a later one.
	ann.must(0, "role", "allow", "dev", "--action", "token.peer", "--hosts", `env=dev and rack="a 1"`)
	bob.untilSays("fleet1.", "token", "create", "--role", "peer", "--label", "env=dev", "--label", "rack=a 1")

	// The right goes: the host that came stays, and no other comes.
	ann.must(0, "role", "remove", "dev", "1")
	bob.untilSays("no role of bob allows token.member", "can", "bob", "token", "member", "env=dev")
	f.Await(f.Client(), 2)
	refusedToken(t, f, text, "bob may not create this token: no role of bob allows token.member")
}

func TestARuleAboutTokensMustBeOne(t *testing.T) {
	f := fleettest.New(t)
	home := homeOfFleet(t, f)
	for _, tt := range []struct {
		says string
		args []string
	}{
		{`"token.broker" is not a right to create tokens`, []string{"--action", "token.broker"}},
		{"a rule for token.peer has no arguments", []string{"--action", "token.peer", "--arg", "env=dev"}},
		{"a token carries one signature", []string{"--action", "token.*", "--second-key"}},
	} {
		code, _, errs := typed(t, home, append([]string{"role", "allow", "dev"}, tt.args...)...)
		if code != 2 {
			t.Errorf("%v: code %d", tt.args, code)
		}
		expect(t, errs, tt.says)
	}
}

// refusedToken shows that no host joins with the token, and why.
func refusedToken(t *testing.T, f *fleettest.Fleet, text string, parts ...string) {
	t.Helper()
	token, err := identity.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.TryJoin(t.Context(), "web9", token); err == nil {
		t.Fatal("a host joins")
	}
	expect(t, err.Error(), parts...)
}

// copyRoster puts the roster of one home into another one.
func copyRoster(t *testing.T, from, to person) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(from.home, rosterFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(to.home, rosterFile), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
