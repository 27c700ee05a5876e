package gossip

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	key := bytes.Repeat([]byte{7}, keySize)
	g, err := New(Config{
		Self: Member{ID: "node1", Host: "web1", Started: time.Now(), Protocol: 1}, Fleet: "acme", Bind: netip.MustParseAddrPort("127.0.0.1:0"), Keys: [][]byte{key}, Profile: Loopback,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	defer func() { cancel(); <-done }()
	there := Known{ID: "node1", Addr: g.Addr()}
	if took, err := Probe(t.Context(), key, "acme", there, 20*time.Second); err != nil || took <= 0 {
		t.Errorf("%v %v", took, err)
	}
	const short = 200 * time.Millisecond // nothing comes, however long one waits
	for name, try := range map[string]func() (time.Duration, error){
		"another key": func() (time.Duration, error) {
			return Probe(t.Context(), bytes.Repeat([]byte{8}, keySize), "acme", there, short)
		},
		"another fleet": func() (time.Duration, error) { return Probe(t.Context(), key, "other", there, short) },
		"another id": func() (time.Duration, error) {
			return Probe(t.Context(), key, "acme", Known{ID: "node2", Addr: g.Addr()}, short)
		},
		"nobody": func() (time.Duration, error) {
			return Probe(t.Context(), key, "acme", Known{ID: "node1", Addr: netip.MustParseAddrPort("127.0.0.1:9")}, short)
		},
	} {
		if _, err := try(); !errors.Is(err, ErrNoEcho) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(g.Members()); n != 1 {
		t.Errorf("%d members: who asks must not become one", n)
	}
}

func TestReadMembers(t *testing.T) {
	if _, err := ReadMembers(filepath.Join(t.TempDir(), "members.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
