package cli

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fleet/gossip"
)

// locked is a log that several hosts write.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Every line of a node's log says whose it is, from the one before it is admitted to its last, whichever part of it writes it.
func TestEveryLogLineNamesTheHost(t *testing.T) {
	home, log := filepath.Join(t.TempDir(), "home"), &locked{}
	founder := filepath.Join(t.TempDir(), "web1")
	at, err := foundLocally("test", home, founder, "web1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var nodes sync.WaitGroup
	start := func(at place, join string) {
		ready := make(chan struct{})
		e := &env{getenv: homeless, stderr: log}
		nodes.Go(func() {
			err := e.startNode(ctx, nodeOptions{
				place: at, join: join, pace: gossip.Loopback, every: factsEvery, ready: sync.OnceFunc(func() { close(ready) }),
				log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-ready
	}
	start(at, "")
	start(localPlace(filepath.Join(t.TempDir(), "web2"), "web2"), "@"+filepath.Join(home, tokenFile))
	stop()
	nodes.Wait()
	for _, want := range []string{`msg="admitted to the fleet" host=web2`, "msg=ready host=web1", "msg=ready host=web2"} {
		if !strings.Contains(log.b.String(), want) {
			t.Errorf("no line has %s", want)
		}
	}
	for line := range strings.Lines(log.b.String()) {
		if n := strings.Count(line, " host=web"); n != 1 {
			t.Errorf("it names %d hosts: %s", n, line)
		}
	}
}
