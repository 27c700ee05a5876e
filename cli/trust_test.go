package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/internal/identitytest"
	"fleet/plugins"
	"fleet/plugins/plugin"
	"fleet/plugins/service"
)

// person is somebody at a machine of their own.
type person struct {
	t      *testing.T
	home   string
	env    map[string]string
	secret func(context.Context, string) (string, error)
}

func (p person) run(args ...string) (code int, out, errs string) {
	p.t.Helper()
	var o, e bytes.Buffer
	code = run(p.t.Context(), &env{
		stdout: &o, stderr: &e, getenv: func(name string) string { return p.env[name] }, secret: p.secret,
		declarations: plugins.BuiltinDeclarations(), connect: connect, seed: func() int64 { return 7 }, planID: func() string { return planID }, patience: time.Minute,
	}, append([]string{"fleet"}, append(args, "--home", p.home)...))
	return code, o.String(), e.String()
}

// must runs a line that must end with the code, and returns all that it printed.
func (p person) must(code int, args ...string) string {
	p.t.Helper()
	got, out, errs := p.run(args...)
	if got != code {
		p.t.Fatalf("fleet %s: code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	return out + errs
}

// pasted runs a line that fleet printed.
func (p person) pasted(code int, line string, more ...string) string {
	p.t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "fleet" {
		p.t.Fatalf("not a line to paste: %q", line)
	}
	return p.must(code, append(words[1:], more...)...)
}

// pretend is the service plugin, with nothing behind it.
type pretend struct{}

func (pretend) Declaration() plugin.Declaration { return service.Declaration() }
func (pretend) Run(context.Context, plugin.Call) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: "restarted"}
}

func fleetWithServices(t *testing.T) (*fleettest.Fleet, person) {
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{pretend{}} }
	f.First().Start()
	return f, person{t: t, home: homeOfFleet(t, f)}
}

// within repeats a line until it ends with the code: the roster needs a moment to be everywhere.
func (p person) within(code int, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	for {
		got, out, errs := p.run(args...)
		if got == code {
			return out + errs
		}
		if ctx.Err() != nil {
			p.t.Fatalf("fleet %s: code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
		}
	}
}

// untilSays repeats a line until it says the text, for the same reason.
func (p person) untilSays(text string, args ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, out, errs := p.run(args...)
		if strings.Contains(out+errs, text) {
			return
		}
		if ctx.Err() != nil {
			p.t.Fatalf("fleet %s: lacks %q\n%s%s", strings.Join(args, " "), text, out, errs)
		}
	}
}

func TestASecondAdminInTwoCommands(t *testing.T) {
	f, ann := fleetWithServices(t)
	f.Join("web2", f.Token(identity.Record{Role: identity.Member, Labels: map[string]string{"env": "prod"}}))
	f.Await(f.Client(), 2)
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}

	_, line, errs := bob.run("admin", "keygen", "bob", "--role", "web")
	expect(t, line, "fleet admin add bob fleet-admin:", " --role web")
	expect(t, errs, "keep it on this machine")
	expect(t, bob.must(2, "admin", "keygen", "bob"), "fleet never overwrites a key")
	expect(t, bob.must(1, "whoami"), "key   fleet-admin:", "admin.key") // of no fleet yet

	expect(t, ann.pasted(2, line), `there is no role "web"`, "the roles are all")
	expect(t, ann.must(0, "role", "allow", "web", "--action", "service.restart", "--arg", "service=nginx", "--hosts", "env=prod", "--until", "8h"),
		"role web now allows: service.restart service=nginx on hosts with env=prod until ", "roster version 2 is in force on", "no admin has the role web yet")
	_, back, errs := ann.run(strings.Fields(line)[1:]...)
	expect(t, back, "fleet admin accept fleet-info1.")
	expect(t, errs, "bob is now an admin with the role web", "roster version 3", string(f.Root.Anchor().ID()))
	expect(t, ann.pasted(2, line), "already in the roster")

	expect(t, bob.pasted(0, back), "belongs to the fleet test", string(f.Root.Anchor().ID()))
	expect(t, bob.must(0, "whoami"), "bob in the fleet test, roster version 3", "role  web", "1  service.restart service=nginx on hosts with env=prod until ")
	expect(t, ann.must(0, "admin", "list"), "ann", "all", "bob", "web")
	expect(t, ann.must(0, "role", "list"), "web (bob)", "all (ann)")

	// The rule holds, and what is outside of it is refused with the roles named.
	bob.within(0, "run", "service", "restart", "nginx", "-I", "web2")
	expect(t, bob.must(7, "run", "service", "restart", "sshd", "-I", "web2"), "no role of bob allows service.restart here with these arguments (roles: web)")
	expect(t, bob.must(7, "run", "service", "restart", "nginx", "-I", "web1"), "no role of bob allows service.restart here")
	expect(t, bob.must(7, "run", "service", "stop", "nginx", "-I", "web2"), "no role of bob allows service.stop")

	// What would be decided is what is decided.
	expect(t, ann.must(0, "can", "bob", "service", "restart", "nginx", "-I", "web2"), "web2: yes: role web, rule 1: service.restart service=nginx")
	expect(t, ann.must(7, "can", "bob", "service", "restart", "service=sshd"), "web[1-2] (2): no: no role of bob allows service.restart")
	expect(t, ann.must(7, "can", "eve", "service", "restart", "service=sshd", "-I", "web1"), "no admin called eve in roster version 3")
	expect(t, bob.must(7, "can", "ann", "service", "stop", "nginx"), "no role of bob allows node.can")

	// A rule that is over counts for nothing.
	expect(t, ann.must(2, "role", "allow", "web", "--action", "*.*", "--until", "2020-01-01"), "that time has passed")
	ann.must(0, "role", "allow", "later", "--action", "service.stop", "--from", "2099-01-01")
	ann.must(0, append(strings.Fields(strings.Replace(line, "--role web", "--role later,web", 1))[1:], "-y")...)
	ann.untilSays("no role of bob allows service.stop here with these arguments (roles: later, web)", "can", "bob", "service", "stop", "nginx", "-I", "web2")
	bob.untilSays("(roles: later, web)", "run", "service", "stop", "nginx", "-I", "web2")
}

func TestRemovedAdminIsRefused(t *testing.T) {
	_, ann := fleetWithServices(t)
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "all")
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)
	bob.within(0, "run", "service", "restart", "nginx", "-I", "web1")

	expect(t, ann.must(0, "admin", "remove", "bob"), "bob is removed", "revoked for good", "the revocation is in force on")
	expect(t, bob.within(7, "whoami"), "key   fleet-admin:", "this key is not in the fleet's roster")
	expect(t, bob.must(1, "run", "service", "restart", "nginx", "-I", "web1"), "the broker's roster does not contain this admin's key")
	expect(t, ann.must(2, "admin", "remove", "ann"), "ann is the only admin")
	expect(t, ann.must(2, "admin", "remove", "bbo"), `there is no admin "bbo"`)
	expect(t, bob.must(1, "admin", "remove", "ann"), "changing the roster needs the root key")

	// The last one who may do everything is asked about, and so is the last rule.
	bob.home = filepath.Join(t.TempDir(), "bob")
	_, line, _ = bob.run("admin", "keygen", "bob", "--role", "ops")
	ann.must(0, "role", "allow", "ops", "--action", "service.*")
	ann.pasted(0, line)
	expect(t, ann.must(2, "admin", "remove", "ann"), "the last admin who is allowed to do everything")
	expect(t, ann.must(2, "role", "remove", "all", "1"), "the last rule that allows an admin to do everything")
	expect(t, ann.must(2, "role", "remove", "ops"), "bob still has the role ops")
	expect(t, ann.must(0, "role", "remove", "ops", "1"), "role ops no longer allows: service.*")
	expect(t, ann.must(0, "role", "list"), "ops (bob)\n   nothing")
}

// With an admin go the hosts of his tokens, unless they are told to stay.
func TestHostsOfARemovedAdmin(t *testing.T) {
	f, ann := fleetWithServices(t)
	c := f.Client()
	letIn := func(who, name string) {
		bob := person{t: t, home: filepath.Join(t.TempDir(), who)}
		_, line, _ := bob.run("admin", "keygen", who, "--role", "all")
		_, back, _ := ann.run(strings.Fields(line)[1:]...)
		bob.pasted(0, back)
		_, text, errs := bob.run("token", "create", "--label", "by="+who)
		token, err := identity.ParseToken(text)
		if err != nil {
			t.Fatalf("%v %s", err, errs)
		}
		bob.within(0, "ping")
		f.Join(name, token)
	}
	letIn("bob", "web3")
	letIn("eve", "web4")
	f.Await(c, 3)

	expect(t, ann.must(2, "admin", "remove", "bob"), "1 host joined with 1 token that bob made: web3", "nothing was changed", "--keep-hosts", "--drop-hosts")
	expect(t, ann.must(2, "admin", "remove", "bob", "--keep-hosts", "--drop-hosts"), "contradict")
	expect(t, ann.must(0, "admin", "remove", "bob", "--keep-hosts"), "the roster keeps 1 token and the labels of 0 hosts", "in force on all 3 hosts", "bob is removed")
	expect(t, ann.must(0, "ping", "-W", "by=bob"), "web3")

	expect(t, ann.must(2, "admin", "remove", "eve", "--drop-hosts"), "to confirm, add --yes")
	ann.must(0, "admin", "remove", "eve", "--drop-hosts", "-y")
	ann.must(3, "ping", "-W", "by=eve")
	expect(t, ann.must(0, "ping"), "web1", "web3", "2 replies")
}

// Labels change later by an admin's word, as far as the rules go for the host as it is and as it will be.
func TestLabelsChangeLater(t *testing.T) {
	f, ann := fleetWithServices(t)
	h := f.Join("web2", f.Token(identity.Record{Role: identity.Member, Labels: map[string]string{"env": "dev", "rack": "7"}}))
	f.Await(f.Client(), 2)
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "dev")
	ann.must(0, "role", "allow", "dev", "--action", "node.label", "--hosts", "env=dev")
	ann.must(0, "role", "allow", "dev", "--action", "rpcutil.*")
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)

	for _, words := range [][]string{{}, {"env"}, {"env="}, {"=x"}, {"-"}, {"env=a", "env=b"}, {"env=a", "env-"}} {
		ann.must(2, append([]string{"node", "label", "web2"}, words...)...)
	}
	expect(t, bob.must(0, "node", "label", "web2", "role=db", "rack-"), "web2 now has the labels env=dev role=db")
	expect(t, ann.must(0, "ping", "-W", "role=db"), "web2")
	ann.must(3, "ping", "-W", "rack=7")
	expect(t, bob.must(4, "node", "label", "web2", "env=prod"), "bob may not label a host with the labels", "no role of bob allows node.label")
	expect(t, bob.must(7, "node", "label", "web1", "env=dev"), "no role of bob allows node.label")
	expect(t, ann.must(2, "node", "label", "web2", "env=dev"), "web2 has these labels already")

	h.Stop()
	h.Start()
	expect(t, ann.within(0, "ping", "-W", "role=db env=dev"), "web2") // it has kept them
	expect(t, ann.must(0, "node", "label", "web2", "env=prod"), "web2 now has the labels env=prod role=db")
	expect(t, bob.must(7, "node", "label", "web2", "env=dev"), "no role of bob allows node.label") // out of his reach

	// With an admin go the labels that he gave, unless they are kept.
	ann.must(0, "node", "label", "web2", "env=dev")
	bob.must(0, "node", "label", "web2", "role=cache")
	expect(t, ann.must(2, "admin", "remove", "bob"), "bob gave other labels to 1 host, which would get their tokens' again: web2")
	ann.must(0, "admin", "remove", "bob", "--keep-hosts")
	expect(t, ann.must(0, "ping", "-W", "role=cache"), "web2")
}

// Who let a host in is written down by the peer that did, and a host of which nobody says so is named.
func TestWhoLetWhomIn(t *testing.T) {
	f, ann := fleetWithServices(t)
	token := f.Token(identity.Record{Role: identity.Member})
	f.Join("web2", token)
	f.Await(f.Client(), 2)
	code, out, errs := ann.run("audit", "--admissions", "--since", "1h")
	if code != 0 {
		t.Fatal(code, out, errs)
	}
	expect(t, out, "admission", "web2", "admit", "member, with token "+string(token.Record.ID())+" that ann made")
	expect(t, out, "web1", "peer, with token") // the first host has let itself in
	if strings.Contains(errs, "no line says") {
		t.Errorf("both are explained:\n%s", errs)
	}
	expect(t, ann.must(0, "status"), "admitted   2 in the last day: ", "web2 (token "+string(token.Record.ID())+", by web1)")
	ann.must(2, "audit")
}

func TestAKeyInSSHAgentRunsJobs(t *testing.T) {
	_, ann := fleetWithServices(t)
	socket, ring := serveAgent(t, "bob@laptop")
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob"), env: map[string]string{envAgent: socket}}
	const where = "agent:bob@laptop"
	_, line, errs := bob.run("admin", "keygen", "bob", "--key", where, "--role", "all")
	expect(t, errs, `key = "agent:bob@laptop"`)
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)
	expect(t, bob.must(0, "whoami", "--key", where), "kept  "+where, "role  all")
	bob.within(0, "run", "service", "restart", "nginx", "-I", "web1", "--key", where)
	bob.env[envKey] = where // and without saying it each time
	bob.must(0, "run", "service", "restart", "nginx", "-I", "web1")
	expect(t, bob.must(0, "token", "create"), "fleet1.")
	if err := ring.Lock([]byte("x")); err != nil {
		t.Fatal(err)
	}
	expect(t, bob.must(1, "ping"), "it holds no ssh-ed25519 key")
	delete(bob.env, envAgent)
	expect(t, bob.must(1, "ping"), "SSH_AUTH_SOCK is not set")
}

func TestALockedKeyAsks(t *testing.T) {
	_, ann := fleetWithServices(t)
	const words = "a long passphrase"
	asked := 0
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob"), secret: func(context.Context, string) (string, error) { asked++; return words, nil }}
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "all", "--passphrase")
	if asked != 2 {
		t.Errorf("asked %d times for a new one", asked)
	}
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)
	bob.within(0, "run", "service", "restart", "nginx", "-I", "web1")
	if asked != 3 {
		t.Errorf("asked %d times in all", asked)
	}
	bob.secret = func(context.Context, string) (string, error) { return "a wrong passphrase", nil }
	expect(t, bob.must(1, "ping"), "the passphrase is wrong, or the file is damaged")
	bob.secret = nil
	expect(t, bob.must(1, "ping"), "the key is locked with a passphrase", "--passphrase-file")
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, []byte(words+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, bob.must(1, "ping", "--passphrase-file", file), "other users can read")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	bob.must(0, "ping", "--passphrase-file", file)
	bob.secret = func(context.Context, string) (string, error) { return "", context.Canceled }
	bob.must(130, "ping")
}

func TestTheRootKeyIsLocked(t *testing.T) {
	f, _ := fleetWithServices(t)
	home := homeOfFleet(t, f)
	const words = "a long passphrase"
	path := filepath.Join(home, rootKeyFile)
	if err := errors.Join(os.Remove(path), identity.WriteLockedKey(path, f.Key, words)); err != nil {
		t.Fatal(err)
	}
	ann := person{t: t, home: home}
	expect(t, ann.must(1, "role", "allow", "ops", "--action", "service.*"), "the root key", "the key is locked with a passphrase", "--passphrase-file")
	ann.secret = func(_ context.Context, prompt string) (string, error) {
		expect(t, prompt, path)
		return words, nil
	}
	expect(t, ann.must(0, "role", "allow", "ops", "--action", "service.*"), "roster version 2")
}

func TestInitLocksKeys(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte("a long passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags       []string
		root, admin bool
	}{{nil, false, false}, {[]string{"--passphrase-root"}, true, false}, {[]string{"--passphrase"}, true, true}} {
		ann := person{t: t, home: t.TempDir()}
		args := append([]string{"init", "acme", "--data", t.TempDir(), "--name", "web1", "--advertise", "127.0.0.1"}, tt.flags...)
		if tt.root {
			args = append(args, "--passphrase-file", words)
		}
		ann.must(0, args...)
		_, err := identity.ReadKey[identity.Root](filepath.Join(ann.home, rootKeyFile))
		if errors.Is(err, identity.ErrLocked) != tt.root || !tt.root && err != nil {
			t.Errorf("%v: root: %v", tt.flags, err)
		}
		_, err = identity.ReadKey[identity.Admin](filepath.Join(ann.home, keyFile))
		if errors.Is(err, identity.ErrLocked) != tt.admin || !tt.admin && err != nil {
			t.Errorf("%v: admin: %v", tt.flags, err)
		}
	}
	ann := person{t: t, home: t.TempDir()}
	expect(t, ann.must(2, "init", "acme", "--data", t.TempDir(), "--name", "web1", "--passphrase"), "there is no terminal to ask on", "--passphrase-file")
	ann.secret = func(context.Context, string) (string, error) { return "short", nil }
	expect(t, ann.must(2, "init", "acme", "--data", t.TempDir(), "--name", "web1", "--passphrase"), "at least 8 characters")
}

func TestAcceptKeepsFleetsApart(t *testing.T) {
	line := func(fleet string) string {
		return identity.Introduction{Root: identitytest.Root().Anchor(), Fleet: fleet, Brokers: []string{"10.0.0.5:7421"}}.Text()
	}
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	acme := line("acme")
	expect(t, bob.must(2, "admin", "accept", acme[:len(acme)-3]), "damaged or cut off")
	expect(t, bob.must(2, "admin", "accept", "fleet1.abc"), `it must begin with "fleet-info1."`)
	bob.must(0, "admin", "accept", acme)
	bob.must(0, "admin", "accept", acme) // again does no harm
	before, err := os.ReadFile(filepath.Join(bob.home, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	brokers := filepath.Join(bob.home, brokersFile)
	edited := []byte("10.0.0.9:7421 # mine\n")
	if err := os.WriteFile(brokers, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, bob.must(0, "admin", "accept", acme), brokers+" stays as it is")
	if after, err := os.ReadFile(brokers); err != nil || !bytes.Equal(after, edited) {
		t.Errorf("the edited list of brokers is %q: %v", after, err)
	}
	expect(t, bob.must(2, "admin", "accept", line("evil")), "belongs to another fleet (id ")
	if after, err := os.ReadFile(filepath.Join(bob.home, rootFile)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the pinned root changed: %v", err)
	}
	expect(t, bob.must(2, "admin", "keygen", "a b"), `name: "a b" must be`)
	expect(t, bob.must(2, "admin", "keygen", "--passphrase-file", "x"), "has no effect without --passphrase")
	expect(t, bob.must(2, "admin", "add", "eve", identity.NewKey[identity.Admin]().Secret(), "--role", "all"), "that is a private key")
}

// serveAgent is an ssh-agent with one key of that comment.
func serveAgent(t *testing.T, comment string) (socket string, ring agent.Agent) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring = agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: comment}); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); agent.ServeAgent(ring, c) }()
		}
	}()
	return socket, ring
}
