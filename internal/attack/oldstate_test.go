package attack

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/internal/identitytest"
	"fleet/job"
)

// What was in force once does not come back: by a stolen disk, or by a captured peer that keeps what is new to itself.

// rules are the roster and the revocations that are in force.
func (m *mesh) rules(t *testing.T) client.Rules {
	t.Helper()
	var kept client.Rules
	c, err := client.Connect(t.Context(), client.Config{Root: m.root.Anchor(), Key: m.admin, Brokers: []string{m.hosts[0].broker},
		Log: slog.New(slog.DiscardHandler), Declared: declared, Keep: func(r client.Rules) { kept = r }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Roster(t.Context()); err != nil {
		t.Fatal(err)
	}
	return kept
}

// The disk of a revoked peer stands at the address that admins and tokens know.
func TestStolenDiskOfARevokedPeer(t *testing.T) {
	web2 := shared.hosts[1]
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, TLS: true, TLSHandshakeFirst: true,
		TLSConfig: shared.nodeServerTLS(web2.creds)})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(patience) {
		t.Fatal("does not start")
	}
	revoked, err := identity.SignRevocations(shared.root, "ann", time.Now(), identity.RevokeNode(web2.id, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	known := shared.rules(t)
	known.Revocations = append(known.Revocations, revoked)
	c, err := client.Connect(t.Context(), client.Config{Root: shared.root.Anchor(), Key: shared.admin, Brokers: []string{s.Addr().String()}, Log: slog.New(slog.DiscardHandler), Known: known, Declared: declared})
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, identity.ErrShutOut) || !strings.Contains(err.Error(), "is revoked") {
		t.Errorf("the admin's client says: %v", err)
	}
	shared.stats(t)
}

// A host with a fresh token comes to brokers with a roster from before that token.
func TestJoiningThePast(t *testing.T) {
	token := shared.newToken(t, identity.Record{Roster: 1_000_000})
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shared.binary, "node", "--data", filepath.Join(dir, "data"), "--name", "web96", "--listen", "127.0.0.1", "--gossip-port", "0", "--join", "@"+file)
	cmd.Env = shared.env()
	log := newLogbook()
	cmd.Stderr, cmd.Stdout = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := log.find(0, "and the token's admin knew version 1000000", "may be compromised"); err != nil {
		t.Errorf("%v\n%s", err, log.text())
	}
	shared.stats(t)
}

// A job names the roster that its signer knows. No host judges it by an older one.
func TestJobOfALaterRoster(t *testing.T) {
	j := shared.change("later-roster")
	j.Needs = []job.WantedDocument{{Kind: identity.RosterKind, Name: identity.RosterKind, Version: 1_000_000, Hash: make([]byte, 32)}}
	shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonRoster, "later-roster")
}

// A captured peer takes every document that admins hand in, says so, hands it back to admins, and gives it to no host. The
// command that made the change does not believe it.
func TestCapturedPeerKeepsTheNews(t *testing.T) {
	admins := job.Inbox(shared.admin.Public().ID())
	var mu sync.Mutex
	var taken [][]byte
	known := shared.rules(t)
	var stops []func()
	for subject, answer := range map[string]nats.MsgHandler{
		job.DocPutSubject: func(m *nats.Msg) {
			mu.Lock()
			taken = append(taken, m.Data)
			mu.Unlock()
			m.Respond(nil)
		},
		job.DocGetSubject: func(m *nats.Msg) {
			var a job.DocumentAnswer
			if strings.HasPrefix(m.Reply, admins) {
				a.Documents = append([][]byte{known.Root, known.Roster}, known.Revocations...)
				mu.Lock()
				defer mu.Unlock()
				for _, raw := range taken {
					if _, err := identity.OpenRoster(shared.root.Authority, raw); err == nil {
						a.Documents[1] = raw
					}
				}
			}
			raw, err := a.Encode()
			if err != nil {
				t.Error(err)
			}
			m.Respond(raw)
		},
	} {
		stop, err := shared.captured.Hog(subject, answer)
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	shared.known(t)
	err := shared.fleet("role", "allow", "kept-news", "--action", "service.status")
	if err == nil || !strings.Contains(err.Error(), "exit status 5") || !strings.Contains(err.Error(), "is not known to be in force on 4 of 4 hosts") ||
		!strings.Contains(err.Error(), "roster version") {
		t.Errorf("the command says: %v", err)
	}
	for _, stop := range stops {
		stop()
	}
	shared.known(t)
	until(t, "the admin's next command has brought all hosts the roster", func() bool { return shared.fleet("ping") == nil })
	for _, h := range shared.hosts {
		if err := shared.fleet("ping", "-I", h.name); err != nil {
			t.Error(err)
		}
	}
}

// The broker of a captured peer that let others dial it, at an address that they cannot find again: none of its routes outlives its
// revocation, if an honest broker has to stop for that.
func TestRoutesOfARevokedPeer(t *testing.T) {
	m := besieged(t) // a broker that stops is elsewhere afterwards: these take any port that is free
	thief := identitytest.Fleet{Root: m.root.Anchor(), Admin: m.admin, Issuer: m.stolen(t).Issuer}.Host(t, "web9", identity.Record{Role: identity.Peer}, time.Now())
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	b, err := captured.Serve(m.root.Anchor().ID(), thief, captured.Place{
		Name: "web9", Host: "127.0.0.1", RoutePort: number, Routes: []string{m.hosts[0].routes}, Advertise: net.JoinHostPort("::ffff:127.0.0.1", port)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	until(t, "web1 has told web2 and web3", func() bool { return b.Server.NumRoutes() == 3 })
	m.revoke(t, identity.RevokeNode(thief.Key.Public().ID(), time.Now()))
	until(t, "no route stands any more", func() bool { return b.Server.NumRoutes() == 0 })
	m.stats(t)
	if n := b.Server.NumRoutes(); n != 0 {
		t.Errorf("it has %d routes again", n)
	}
}
