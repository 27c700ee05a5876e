package client_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"fleet/client"
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
