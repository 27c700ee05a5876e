package node

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/identity"
	"fleet/internal/bubble"
	"fleet/internal/identitytest"
	"fleet/internal/wire"
)

// solitary is a peer without a mesh, which renews its own certificate. Its certificate was issued at the given time.
func solitary(t *testing.T, issued time.Time) *Node {
	t.Helper()
	n, _ := solitaryUnder(t, identitytest.Root(), issued)
	return n
}

// solitaryUnder also returns what lets others into its fleet.
func solitaryUnder(t *testing.T, root identity.Quorum, issued time.Time) (*Node, identitytest.Fleet) {
	t.Helper()
	admin := identity.NewKey[identity.Admin]()
	issuer, err := identity.NewIssuer(root.Anchor(), issued)
	if err != nil {
		t.Fatal(err)
	}
	roster := identity.Roster{Version: 1, Fleet: "test", Keys: identity.Keys{Issuing: issuer.Key.Public().ID()}, Admins: []identity.AdminEntry{{Name: "ann", Key: admin.Public()}}}
	signed, err := identity.SignRoster(root, roster, issued)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := OpenDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	fleet := identitytest.Fleet{Root: root.Anchor(), Admin: admin, Issuer: issuer}
	m, err := Found(dir, fleet.Token(t, identity.Record{Role: identity.Peer}, issued), issuer, "web1", root.Authority, signed, issued)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{config: Config{Dir: dir}, log: slog.New(slog.DiscardHandler), me: m}
	n.keys.open(m)
	n.roster.Store(&roster)
	n.keys.shared.Store(&sharedKeys{gossip: m.GossipKeys, issuer: issuer})
	creds, err := identity.NewCredentials(m.Key, m.Chain)
	if err != nil {
		t.Fatal(err)
	}
	n.creds.Store(&creds)
	self := identitytest.Self(t, root.Anchor(), creds, issued)
	n.self.Store(&self)
	return n, fleet
}

// renewing runs the loop in a bubble of fake time until f returns.
func renewing(t *testing.T, age time.Duration, f func(n *Node)) {
	bubble.Test(t, func(t *testing.T) {
		n := solitary(t, time.Now().Add(-age))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.renewLoop(ctx) }()
		f(n)
		cancel()
		<-done
	})
}

func TestCertificatesRenewAtTwoThirdsOfTheirLife(t *testing.T) {
	renewing(t, 0, func(n *Node) {
		for range 3 { // and then again, from the new one
			first := n.self.Load().NotAfter
			time.Sleep(time.Until(first.Add(-identity.NodeLife / 3)))
			synctest.Wait()
			if !n.self.Load().NotAfter.Equal(first) {
				t.Fatal("renewed too soon")
			}
			time.Sleep(renewCheck + time.Second)
			synctest.Wait()
			now := n.self.Load().NotAfter
			if left := time.Until(now); !now.After(first) || left < identity.NodeLife-2*renewCheck {
				t.Fatalf("not renewed: %s left", left)
			}
			kept, err := n.config.Dir.Load()
			if err != nil {
				t.Fatal(err)
			}
			if id, err := identity.OpenChain(n.me.Root, kept.Chain, time.Now()); err != nil || !id.NotAfter.Equal(now) {
				t.Errorf("after a restart it would be %v, %v", id.NotAfter, err)
			}
		}
	})
}

// A machine that slept wakes long after its certificate was due. The tickers of a machine stand still while it sleeps, so
// the wall clock is what counts: it is looked at within a minute of waking.
func TestACertificateLongDueIsRenewedWithinAMinute(t *testing.T) {
	for _, age := range []time.Duration{identity.NodeLife * 2 / 3, identity.NodeLife - 2*time.Minute} {
		renewing(t, age+time.Minute, func(n *Node) {
			first := n.self.Load().NotAfter
			time.Sleep(renewCheck + time.Second)
			synctest.Wait()
			if !n.self.Load().NotAfter.After(first) {
				t.Errorf("not renewed %s after it was issued", age)
			}
		})
	}
}

// Who slept for longer than the certificate holds is told what to do, and gets no new one.
func TestACertificateThatRanOutIsNotRenewed(t *testing.T) {
	renewing(t, identity.NodeLife+time.Hour, func(n *Node) {
		time.Sleep(3 * renewCheck)
		synctest.Wait()
		if n.self.Load().NotAfter.After(time.Now()) {
			t.Fatal("a certificate that ran out was renewed")
		}
		if err := n.renew(t.Context()); err == nil || !strings.Contains(err.Error(), "expired on") || !strings.Contains(err.Error(), "admit the host again with a new token") {
			t.Errorf("the error does not say what to do: %v", err)
		}
	})
}

func TestARevokedNodeIsNotRenewed(t *testing.T) {
	n := solitary(t, time.Now())
	r := n.roster.Load().Revoking([]identity.Revocation{{ID: n.self.Load().ID}})
	n.roster.Store(&r)
	if err := n.renew(t.Context()); err == nil || !strings.Contains(err.Error(), "is revoked") {
		t.Errorf("%v", err)
	}
}

// What answers a renewal comes from whoever is at the broker.
func FuzzRenewalAnswer(f *testing.F) {
	raw, err := wire.Marshal(renewal{Refused: "no"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var answer renewal
		if wire.Unmarshal(raw, &answer) == nil {
			if _, err := identity.OpenChain(identitytest.Root().Anchor(), answer.Chain, time.Now()); err == nil {
				t.Error("a chain to another root holds")
			}
		}
	})
}

// A peer that answers a renewal with a certificate for anything but this host's statement is refused, and nothing is stored:
// it may have a token's secret, and so be able to make another statement about this host's key.
func TestARenewalExtendsTimeAndNothingElse(t *testing.T) {
	now := time.Now()
	n, fleet := solitaryUnder(t, identitytest.Root(), now)
	issue := func(statement []byte, at time.Time) identity.Chain {
		chain, err := n.issuer().Issue(statement, at)
		if err != nil {
			t.Fatal(err)
		}
		return chain
	}
	before, disk := *n.self.Load(), n.keys.disk.Chain
	thief := fleet.Token(t, identity.Record{Role: identity.Member, Labels: map[string]string{"env": "dev"}}, now)
	for name, statement := range map[string][]byte{
		"another statement of this host": identitytest.Statement(t, thief, n.me.Key, before.Name, now),
		"another name":                   identitytest.Statement(t, thief, n.me.Key, "web2", now),
		"another host's":                 identitytest.Statement(t, thief, identity.NewKey[identity.Node](), before.Name, now),
	} {
		if err := n.useChain(issue(statement, now.Add(time.Minute))); err == nil || !strings.Contains(err.Error(), "not for this host's statement") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := *n.self.Load(); !reflect.DeepEqual(after, before) || !reflect.DeepEqual(n.keys.disk.Chain, disk) {
		t.Errorf("%+v became %+v", before, after)
	}
	own := n.creds.Load().Statement
	if err := n.useChain(issue(own, now.Add(-time.Hour))); err == nil || !strings.Contains(err.Error(), "before the one it replaces") {
		t.Errorf("a certificate that ends earlier: %v", err)
	}
	if err := n.useChain(issue(own, now.Add(time.Minute))); err != nil || !n.self.Load().NotAfter.After(before.NotAfter) {
		t.Errorf("a good one: %v", err)
	}
}
