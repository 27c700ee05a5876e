package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/bubble"
	"fleet/internal/identitytest"
	"fleet/node/audit"
)

// keeper is a node without a network that has its documents, and the root key to sign others.
type keeper struct {
	*Node
	t     *testing.T
	root  identity.Quorum
	fleet identitytest.Fleet
}

func newKeeper(t *testing.T) keeper {
	t.Helper()
	k := keeper{t: t, root: identitytest.Root()}
	k.Node, k.fleet = solitaryUnder(t, k.root, time.Now())
	k.open()
	return k
}

// open does with the documents what a start does.
func (k keeper) open() {
	k.t.Helper()
	k.roster.Store(nil)
	k.keys.from = ""
	var err error
	if k.docs, k.signers, err = openDocuments(k.config.Dir.file(docsDir), k.me.Authority, k.log); err != nil {
		k.t.Fatal(err)
	}
	if k.audit == nil {
		if k.audit, err = audit.Open(k.config.Dir.file(auditDir), k.log); err != nil {
			k.t.Fatal(err)
		}
		k.t.Cleanup(func() { k.audit.Close() })
	}
	k.settle()
}

func (k keeper) next(change func(*identity.Roster)) []byte {
	k.t.Helper()
	r := k.roster.Load().Next("ann")
	if change != nil {
		change(&r)
	}
	signed, err := identity.SignRoster(k.root, r, time.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	return signed
}

func (k keeper) revocation(v identity.Revocation) []byte {
	k.t.Helper()
	signed, err := identity.SignRevocations(k.root, "ann", time.Now(), v)
	if err != nil {
		k.t.Fatal(err)
	}
	return signed
}

func (k keeper) wrong(want string) {
	k.t.Helper()
	if text := strings.Join(k.documentTrouble(), "\n"); want == "" && text != "" || !strings.Contains(text, want) {
		k.t.Errorf("trouble %q, want %q", text, want)
	}
}

// A revocation that came holds, whatever version of the roster comes from a host that never heard of it, and after a restart.
func TestNoRosterUndoesARevocation(t *testing.T) {
	k := newKeeper(t)
	node, token := identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Joining]().Public().ID()
	bob := identity.NewKey[identity.Admin]()
	with := k.next(func(r *identity.Roster) {
		r.Admins = append(r.Admins, identity.AdminEntry{Name: "bob", Key: bob.Public()})
	})
	if err := k.keep(with); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.roster.Load().Admin(bob.Public().ID()); !ok {
		t.Fatal("bob is no admin")
	}
	for _, v := range []identity.Revocation{identity.RevokeNode(node, time.Now()), identity.RevokeToken(token, time.Now().Add(time.Hour)), identity.RevokeAdmin(bob.Public())} {
		if err := k.keep(k.revocation(v)); err != nil {
			t.Fatal(err)
		}
	}
	// The other side of the partition knows nothing of it, and is far ahead.
	theirs, err := identity.OpenRoster(k.root.Authority, with)
	if err != nil {
		t.Fatal(err)
	}
	theirs = theirs.Next("eve")
	theirs.Version += 10
	signed, err := identity.SignRoster(k.root, theirs, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.keep(signed); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a restart"} {
		r := k.roster.Load()
		_, admin := r.Admin(bob.Public().ID())
		if r.Version != theirs.Version || admin || !r.IsRevoked(node) || !r.IsRevoked(token) {
			t.Errorf("%s: version %d, bob an admin: %v, revoked %v", when, r.Version, admin, r.Revoked)
		}
		k.open()
	}
}

// A node whose disk is full obeys a revocation at once, says what is wrong, and writes it down as soon as it can.
func TestARevocationOnAFullDisk(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		dir := k.config.Dir.file(docsDir)
		aside := dir + ".aside"
		if err := errors.Join(os.Rename(dir, aside), os.WriteFile(dir, nil, 0o600)); err != nil { // no file can be made in it now
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.documentsLoop(ctx) }()
		node := identity.NewKey[identity.Node]().Public().ID()
		if err := k.keep(k.revocation(identity.RevokeNode(node, time.Now()))); !errors.Is(err, gossip.ErrUnsaved) {
			t.Errorf("the disk took it: %v", err)
		}
		if !k.roster.Load().IsRevoked(node) {
			t.Error("not in force")
		}
		time.Sleep(mendEvery)
		synctest.Wait()
		k.wrong("not on disk")
		if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(mendEvery)
		synctest.Wait()
		k.wrong("")
		cancel()
		<-done
		k.open()
		if !k.roster.Load().IsRevoked(node) {
			t.Error("forgotten after a restart")
		}
	})
}

// Whatever went wrong between storing a document and using it: what is stored is in force soon.
func TestWhatIsStoredIsInForce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		signed := k.next(nil)
		node := identity.NewKey[identity.Node]().Public().ID()
		revocation := identity.RevokeNode(node, time.Now())
		revocation.Until = time.Now().Add(time.Hour)
		for _, raw := range [][]byte{signed, k.revocation(revocation)} {
			if _, err := k.docs.Put(raw); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.documentsLoop(ctx) }()
		time.Sleep(mendEvery)
		synctest.Wait()
		if r := k.roster.Load(); r.Version != 2 || !r.IsRevoked(node) {
			t.Errorf("in force is version %d, revoked %v", r.Version, r.Revoked)
		}
		// A revocation ends by itself.
		time.Sleep(time.Hour)
		synctest.Wait()
		if r := k.roster.Load(); r.Version != 2 || len(r.Revoked) != 0 || len(k.docs.List()) != 2 {
			t.Errorf("at its end: version %d, revoked %v, kept %v", r.Version, r.Revoked, k.docs.List())
		}
		cancel()
		<-done
	})
}

// A node without a roster starts, has no admins, lets in only hosts of its own issuing key, says so, and is well again as
// soon as a roster comes.
func TestWithoutARoster(t *testing.T) {
	k := newKeeper(t)
	roster := k.next(nil)
	elsewhere := k.fleet
	var err error
	if elsewhere.Issuer, err = identity.NewIssuer(k.root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	gone, stranger := k.fleet.Host(t, "web2", identity.Record{}, time.Now()), elsewhere.Host(t, "web3", identity.Record{}, time.Now())
	revoked := gone.Key.Public().ID()
	if err := k.keep(k.revocation(identity.RevokeNode(revoked, time.Now()))); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []string{"", "garbage", string(roster[:len(roster)-1])} {
		if err := os.WriteFile(k.config.Dir.file(docsDir)+"/roster,roster.doc", []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		k.open()
		r := k.roster.Load()
		admits := func(c identity.Credentials) bool {
			certificate, err := identity.OpenChain(k.me.Root, c.Chain, time.Now())
			if err == nil {
				_, err = r.Admit(certificate)
			}
			return err == nil
		}
		if r.Version != 0 || len(r.Admins) != 0 || !admits(*k.creds.Load()) || admits(stranger) || admits(gone) {
			t.Errorf("%q: in force is %+v", damage, r)
		}
		k.wrong("has no roster")
		if _, err := k.admission(identity.JoinRequest{Statement: gone.Statement}, identity.NodeIdentity{}, time.Now()); err == nil {
			t.Error("it admits hosts")
		}
		if err := k.keep(roster); err != nil {
			t.Fatal(err)
		}
		if r := k.roster.Load(); r.Version != 2 || len(r.Admins) != 1 || !r.IsRevoked(revoked) {
			t.Errorf("%q: after it came, in force is %+v", damage, r)
		}
		k.wrong("")
	}
}

// A change that lost is named, with who made it, until it is made again.
func TestALostChangeIsNamed(t *testing.T) {
	k := newKeeper(t)
	anns := k.next(func(r *identity.Roster) { r.By = "ann" })
	bobs := k.next(func(r *identity.Roster) { r.By = "bob" })
	for _, raw := range [][]byte{anns, bobs} {
		if err := k.keep(raw); err != nil {
			t.Fatal(err)
		}
	}
	winner, lost := *k.roster.Load(), anns
	if winner.Hash == identity.HashOf(anns) {
		lost = bobs
	}
	l, err := identity.OpenRoster(k.root.Authority, lost)
	if err != nil {
		t.Fatal(err)
	}
	k.wrong("roster version 2 (" + l.Hash.Short() + "), made by " + l.By + " on ")
	k.wrong("lost to version 2 (" + winner.Hash.Short() + ")")
	again, err := identity.SignRoster(k.root, winner.Merging(l).Next(l.By), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.keep(again); err != nil {
		t.Fatal(err)
	}
	k.wrong("")
}

// What a removed admin signed is genuine for a host that was admitted later, too: it is kept, and so not asked for again and
// again; it does not count.
func TestDocumentsOfARemovedAdminAreKept(t *testing.T) {
	k := newKeeper(t)
	bob := identity.NewKey[identity.Admin]()
	note, err := identity.SignDocument(bob, identity.Document{Kind: "note", Name: "x", Version: 1, Until: time.Now().Add(time.Hour)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.keep(note); err == nil {
		t.Error("a document of nobody who is known was kept")
	}
	if err := errors.Join(k.keep(k.revocation(identity.RevokeAdmin(bob.Public()))), k.keep(note)); err != nil {
		t.Fatal(err)
	}
	k.open()
	if refs := k.docs.List(); len(refs) != 4 {
		t.Errorf("kept: %v", refs)
	}
	d, err := identity.VerifyDocument(k.root.Authority, func(identity.ID) (identity.PublicKey[identity.Admin], bool) { return bob.Public(), true }, note, time.Now())
	if err != nil || k.roster.Load().Authorises(d) {
		t.Errorf("it counts: %v", err)
	}
}

// Two rotations at the same time do not take each other's place: the node has the keys that the roster names, whichever
// they are. Both are forgotten when they have ended.
func TestTwoRotationsAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		var keys []identity.Keys
		for since := range uint64(2) {
			issuer, err := identity.NewIssuer(k.root.Anchor(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			secret := bytes.Repeat([]byte{byte(since + 1)}, 32)
			r := identity.Rotation{Version: since + 7, Issuing: issuer.Certificate,
				Keys: identity.Keys{Issuing: issuer.Key.Public().ID(), Gossip: identity.GossipID(secret), Since: since + 7}}
			if err := r.SealTo(k.identity(), identity.Secrets{Gossip: secret, Issuing: issuer.Key.Secret()}); err != nil {
				t.Fatal(err)
			}
			signed, err := identity.SignRotation(k.root, r, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := k.keep(signed); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, r.Keys)
		}
		if err := k.keep(k.next(func(r *identity.Roster) { r.Keys = keys[0] })); err != nil {
			t.Fatal(err)
		}
		if got := identity.GossipID(k.keys.gossip()[0]); got != keys[0].Gossip || k.issuer().Key.Public().ID() != keys[0].Issuing {
			t.Errorf("in force is the gossip key %s, want %s", got, keys[0].Gossip)
		}
		time.Sleep(16 * 24 * time.Hour)
		if err := k.docs.Mend(); err != nil || len(k.docs.All(identity.RotationKind)) != 0 {
			t.Errorf("%v, kept: %v", err, k.docs.List())
		}
		if err := k.settle(); err != nil || identity.GossipID(k.keys.gossip()[0]) != keys[0].Gossip {
			t.Errorf("the key went with its document: %v", err)
		}
	})
}
