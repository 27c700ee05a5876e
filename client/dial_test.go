package client_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// Brokers that hang cost little: one that is well is found among sixteen that take a connection and then say nothing.
func TestConnectAmongBrokersThatHang(t *testing.T) {
	w := newWorld(t)
	brokers := []string{w.broker.ClientAddr().String()}
	for range 16 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		brokers = append(brokers, l.Addr().String())
	}
	for range 4 { // the order is random: one after another, this took 160 s
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, err := client.Connect(ctx, client.Config{Root: w.root.Anchor(), Key: w.admin, Brokers: brokers, Log: slog.New(slog.DiscardHandler), Declared: declared})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// What the brokers said long ago is not told as if it were so now.
func TestOldNewsIsToldAsOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) {
		if a.copy >= 3 { // by then it has been said that it is alive
			w.mute.Store(true)
		}
	})
	r := request()
	r.Timeout = 15 * time.Second
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcome(t, run, "web1"); o.State != job.Silent || !strings.Contains(o.Message, "no broker has returned its state for") {
		t.Errorf("%+v", o)
	}
}

// A question that is not answered is sent again, each time with a subject of its own for the answer: a broker lets a node answer
// once on each, and whoever answers two copies late should not be refused for it.
func TestEachCopyOfAQuestionIsAnsweredElsewhere(t *testing.T) {
	w := newWorld(t)
	w.host("web1", nil)
	c := w.client()
	var mu sync.Mutex
	asked := map[string]int{}
	w.subscribe(w.connect(w.credentials("peer2", identity.Peer)), job.MembersSubject, func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		asked[m.Reply]++
		w.mute.Store(len(asked) < 3)
	})
	w.mute.Store(true)
	if m, err := c.Members(t.Context()); err != nil || len(m) != 1 {
		t.Fatal(m, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 3 {
		t.Errorf("asked on %v", asked)
	}
	for reply, n := range asked {
		if n != 1 {
			t.Errorf("%d copies are to be answered on %s", n, reply)
		}
	}
}
