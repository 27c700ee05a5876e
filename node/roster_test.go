package node_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/internal/identitytest"
	"fleet/job"
)

// roster signs the next version of the fleet's roster.
func roster(t *testing.T, f *fleettest.Fleet, root identity.Quorum, version uint64, change func(*identity.Roster)) []byte {
	t.Helper()
	r := f.Roster
	r.Version = version
	if change != nil {
		change(&r)
	}
	doc, err := identity.SignRoster(root, r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func with(key identity.PrivateKey[identity.Admin]) func(*identity.Roster) {
	return func(r *identity.Roster) {
		r.Admins = append(append([]identity.AdminEntry(nil), r.Admins...), identity.AdminEntry{Name: "bob", Key: key.Public(), Roles: r.Admins[0].Roles})
	}
}

// awaitAll pings until n hosts answer that admin. A broker that has not heard of the admin yet lets nobody in, so it may
// take more than one attempt to connect.
func awaitAll(t *testing.T, f *fleettest.Fleet, key identity.PrivateKey[identity.Admin], n int) {
	t.Helper()
	for {
		c, err := client.Connect(t.Context(), client.Config{Root: f.Root.Anchor(), Key: key, Brokers: []string{f.Broker()}, Log: discard, Declared: f.Declared})
		if err != nil {
			if t.Context().Err() != nil {
				t.Fatal(err)
			}
			continue
		}
		run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: time.Second}, nil)
		c.Close()
		answered := 0
		for _, o := range run.Outcomes {
			if o.State == job.OK {
				answered++
			}
		}
		if err == nil && answered == n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d of %d hosts answer: %+v", answered, n, run)
		}
	}
}

// One document, handed in once, makes an admin on every host; nothing goes back.
func TestANewRosterReachesEveryHost(t *testing.T) {
	f, c := fleettest.Up(t, 5)
	bob, eve := identity.NewKey[identity.Admin](), identity.NewKey[identity.Admin]()
	away := f.Hosts()[4]
	away.Stop()
	f.Await(c, 4)

	v2 := roster(t, f, f.Root, 2, with(bob))
	if err := c.PutDocument(t.Context(), v2); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, f, bob, 4)
	away.Start() // one that was off hears of it when it comes back
	awaitAll(t, f, bob, 5)

	if err := c.PutDocument(t.Context(), v2); err != nil {
		t.Errorf("the same document once more: %v", err)
	}
	for name, doc := range map[string][]byte{
		"an older version": roster(t, f, f.Root, 1, nil),
		"of another root":  roster(t, f, identitytest.Root(), 3, with(eve)),
		"cut short":        v2[:len(v2)-1],
		"too large":        make([]byte, identity.MaxDocument+1),
		"empty":            {},
	} {
		if err := c.PutDocument(t.Context(), doc); err == nil {
			t.Errorf("%s: the fleet says that it was taken", name)
		} else if !strings.Contains(err.Error(), "rejected the document") {
			t.Errorf("%s: %v", name, err)
		}
	}
	awaitAll(t, f, bob, 5)
	if c, err := client.Connect(t.Context(), client.Config{Root: f.Root.Anchor(), Key: eve, Brokers: []string{f.Broker()}, Log: discard, Declared: f.Declared}); err == nil {
		c.Close()
		t.Error("eve is let in")
	}
}

// A revoked host is cut off, is not asked any more and not missed.
func TestARevokedHostIsOut(t *testing.T) {
	f, c := fleettest.Up(t, 4)
	members, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// One of the peers that run a broker, so that its routes have to go too, and a member.
	var out []identity.ID
	for _, m := range members {
		if m.Name == "web2" || m.Name == "web4" {
			out = append(out, m.Node)
		}
	}
	for _, id := range out {
		doc, err := identity.SignRevocations(f.Root, "ann", time.Now(), identity.RevokeNode(id, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PutDocument(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		run, err := c.Run(ctx, client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range run.Outcomes {
			names = append(names, o.Name+" "+string(o.State))
		}
		if got := strings.Join(names, ", "); got == "web1 ok, web3 ok" {
			return
		} else if t.Context().Err() != nil {
			t.Fatal(got)
		}
	}
}
