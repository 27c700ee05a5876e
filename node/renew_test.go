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
	"fleet/internal/wire"
)

// solitary is a peer without a mesh, which renews its own certificate. Its certificate was issued at the given time.
func solitary(t *testing.T, issued time.Time) *Node {
	t.Helper()
	return solitaryUnder(t, identity.NewKey[identity.Root](), issued)
}

func solitaryUnder(t *testing.T, root identity.PrivateKey[identity.Root], issued time.Time) *Node {
	t.Helper()
	issuer, err := identity.NewIssuer(root, issued)
	if err != nil {
		t.Fatal(err)
	}
	roster := identity.Roster{Version: 1, Fleet: "test", Admins: []identity.AdminEntry{{Name: "ann", Key: identity.NewKey[identity.Admin]().Public()}}}
	signed, err := identity.SignRoster(root, roster, issued)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := OpenDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	m, err := Found(dir, root.Public(), issuer, "web1", signed, issued)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{config: Config{Dir: dir}, log: slog.New(slog.DiscardHandler), me: m}
	n.keys.open(m)
	n.roster.Store(&roster)
	n.keys.shared.Store(&sharedKeys{gossip: m.GossipKeys, issuer: issuer})
	n.creds.Store(&identity.Credentials{Key: m.Key, Chain: m.Chain})
	self, err := identity.VerifyChain(root.Public(), m.Chain, issued)
	if err != nil {
		t.Fatal(err)
	}
	n.self.Store(&self)
	return n
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
			if id, err := identity.VerifyChain(n.me.Root, kept.Chain, time.Now()); err != nil || !id.NotAfter.Equal(now) {
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
			if _, err := identity.VerifyChain(identity.NewKey[identity.Root]().Public(), answer.Chain, time.Now()); err == nil {
				t.Error("a chain to another root holds")
			}
		}
	})
}

// A peer that answers a renewal with another identity for this host is refused, and nothing is stored.
func TestARenewalExtendsTimeAndNothingElse(t *testing.T) {
	now := time.Now()
	n := solitary(t, now)
	before, disk := n.identity(), n.keys.disk.Chain
	for name, change := range map[string]func(*identity.NodeIdentity){
		"another sealing key": func(id *identity.NodeIdentity) { id.Seal = identity.NewSealKey().Public() },
		"another role":        func(id *identity.NodeIdentity) { id.Role = identity.Member },
		"other labels":        func(id *identity.NodeIdentity) { id.Labels = map[string]string{"env": "dev"} },
		"another name":        func(id *identity.NodeIdentity) { id.Name = "web2" },
		"another node":        func(id *identity.NodeIdentity) { id.Key = identity.NewKey[identity.Node]().Public() },
	} {
		id := before
		change(&id)
		chain, err := n.issuer().Issue(id, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.useChain(chain); err == nil || !strings.Contains(err.Error(), "is for "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := n.identity(); !reflect.DeepEqual(after, before) || !reflect.DeepEqual(n.keys.disk.Chain, disk) {
		t.Errorf("%+v became %+v", before, after)
	}
	earlier, err := n.issuer().Issue(before, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.useChain(earlier); err == nil || !strings.Contains(err.Error(), "before the one it replaces") {
		t.Errorf("a certificate that ends earlier: %v", err)
	}
	good, err := n.issuer().Issue(before, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.useChain(good); err != nil || !n.identity().NotAfter.After(before.NotAfter) {
		t.Errorf("a good one: %v", err)
	}
}
