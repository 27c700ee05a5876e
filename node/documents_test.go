package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/answers"
)

// awaitStatus asks all hosts how they stand until they do as wanted.
func awaitStatus(t *testing.T, c *client.Client, hosts int, what string, good func(client.Outcome) bool) {
	t.Helper()
	until(t, what, func() bool {
		run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: time.Second}, nil)
		count := 0
		for _, o := range run.Outcomes {
			if o.State == job.OK && good(o) {
				count++
			}
		}
		return err == nil && count == hosts
	})
}

// Two admins change the roster at the same time, each at another broker: all hosts end with the same one, and name the other.
func TestTwoChangesAtOnce(t *testing.T) {
	f, c := fleettest.Up(t, 4)
	first, err := c.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(by string) identity.Roster {
		signed, err := identity.SignRoster(f.Root, first.Next(by), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PutDocument(t.Context(), signed); err != nil && !strings.Contains(err.Error(), "concurrent") {
			t.Fatal(err)
		}
		r, err := identity.OpenRoster(f.Root.Authority, signed)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	anns, bobs := sign("ann"), sign("bob")
	wins, lost := anns, bobs
	if bobs.Beats(anns) {
		wins, lost = bobs, anns
	}
	named := 0
	awaitStatus(t, c, 4, "all have "+wins.Hash.Short(), func(o client.Outcome) bool {
		s, err := answers.From[answers.Status](o.Data)
		if len(s.Trouble) == 1 && strings.Contains(s.Trouble[0], "made by "+lost.By) {
			named++
		}
		return err == nil && slices.Equal(s.Documents, []answers.Document{{Name: "root/root", Version: 1, Hash: identity.HashOf(f.Root.Raw()).Short()}, {Name: "roster/roster", Version: 2, Hash: wins.Hash.Short()}})
	})
	if named == 0 {
		t.Errorf("no host names the change of %s, which was lost", lost.By)
	}
}

// A document that only a host without a broker has reaches all, the brokers' nodes first.
func TestAMemberBringsADocument(t *testing.T) {
	f, c := fleettest.Up(t, 4)
	member := f.Hosts()[3]
	member.Stop()
	f.Await(c, 3)
	r, err := c.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := identity.SignRoster(f.Root, r.Next("ann"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// It heard of it from a broker that is gone for good.
	if err := os.WriteFile(filepath.Join(member.Dir, "documents", "roster,roster.doc"), signed, 0o600); err != nil {
		t.Fatal(err)
	}
	member.Start()
	awaitStatus(t, c, 4, "all have version 2", func(o client.Outcome) bool { return o.Data["roster"] == int64(2) })
}

// A host whose roster is damaged starts, fetches it, and answers again; a lone one starts too, and goes on when the admin puts
// his copy back.
func TestADamagedRosterOnDisk(t *testing.T) {
	f, c := fleettest.Up(t, 2)
	for _, h := range f.Hosts() {
		h.Stop()
		if err := os.WriteFile(filepath.Join(h.Dir, "documents", "roster,roster.doc"), []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.Start()
		awaitAll(t, f, f.Admin, 2)
	}
	c.Close()

	lone := fleettest.New(t)
	file := filepath.Join(lone.First().Dir, "documents", "roster,roster.doc")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lone.First().Start()
	if _, err := client.Connect(t.Context(), client.Config{Root: lone.Root.Anchor(), Key: lone.Admin, Brokers: []string{lone.Broker()}, Log: discard, Declared: lone.Declared}); !errors.Is(err, client.ErrStranger) {
		t.Errorf("without a roster it knows an admin: %v", err)
	}
	lone.First().Stop()
	if err := os.WriteFile(file, lone.Signed, 0o600); err != nil {
		t.Fatal(err)
	}
	lone.First().Start()
	lone.Await(lone.Client(), 1)
}
