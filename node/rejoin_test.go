package node_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/node"
)

// A host that was off for longer than its certificate holds says so, and comes back with a new token as who it was.
func TestAHostWhoseCertificateRanOutIsAdmittedAgain(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	h := f.Join("web2", f.Token(identity.Record{Role: identity.Member, Labels: map[string]string{"env": "prod"}}))
	f.Await(c, 2)
	h.Stop()
	f.Await(c, 1)

	d, err := node.OpenDataDir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.Load()
	if err != nil {
		t.Fatal(err)
	}
	was, err := identity.OpenChain(m.Root, m.Chain, time.Now())
	statement, err2 := identity.StatementOf(m.Chain)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	m.Chain = f.Issue(statement, time.Now().Add(-identity.NodeLife-time.Hour))
	if err := d.Save(m, [][]byte{f.Signed}); err != nil {
		t.Fatal(err)
	}
	_, err = node.New(node.Config{Dir: d, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "expired on") || !strings.Contains(err.Error(), "admit the host again with a new token") {
		t.Fatalf("it does not say what to do: %v", err)
	}

	again, err := node.Join(t.Context(), d, f.Token(identity.Record{Role: identity.Member}), "web2", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if again.Key.Public().ID() != was.Own().ID {
		t.Error("it made itself a new key")
	}
	d.Close()
	h.Start()
	f.Await(c, 2)
}
