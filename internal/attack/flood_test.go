package attack

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

// brokers is how much memory the processes with a broker have together, in MB, for a test to print.
func (m *mesh) brokers(t *testing.T) (mb int64) {
	t.Helper()
	for _, h := range m.hosts[:3] {
		mb += h.resident(t) >> 20
	}
	return mb
}

// A member may subscribe to any subject below its inbox, of any length, and in any queue group, and every broker of the fleet hears
// of each subscription.
func TestMemberSubscribesWithoutEnd(t *testing.T) {
	const asked, most = 100_000, 64
	var refused atomic.Int64
	before := shared.brokers(t)
	nc, err := shared.dial(shared.nodeTLS(shared.hosts[3].creds), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
			refused.Add(1)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	from := shared.hosts[0].log.mark()
	long := strings.Repeat("x", 400)
	ignore := func(*nats.Msg) {}
	for i := range asked {
		if i%2 == 0 {
			_, err = nc.Subscribe(fmt.Sprintf("%s.%d.%s", job.Inbox(shared.hosts[3].id), i, long), ignore)
		} else {
			_, err = nc.QueueSubscribe(job.AllSubject, fmt.Sprint(i, long), ignore)
		}
		if err != nil {
			break // it has been disconnected
		}
	}
	nc.Flush()
	t.Logf("%d subscriptions of one member: the three brokers take %d MB, and %d MB after", asked, before, shared.brokers(t))
	until(t, "it is refused what is beyond the bound, or disconnected", func() bool { return nc.IsClosed() || refused.Load() >= asked-most })
	// nats-server refuses the 65th; if the broker looks just before that, it disconnects whoever has more than 32.
	if _, err := shared.hosts[0].log.find(from, "subscriptions", string(shared.hosts[3].id)); err != nil {
		t.Error(err)
	}
	shared.stats(t)
}

// open opens so many connections, and returns those that were let in. They do not come back when they are closed.
func (m *mesh) open(t *testing.T, c *tls.Config, n int) (in []*nats.Conn) {
	t.Helper()
	for range n {
		nc, err := m.dial(c)
		if err != nil {
			continue
		}
		t.Cleanup(nc.Close)
		if nc.Flush() == nil {
			in = append(in, nc)
		}
	}
	return in
}

func standing(all []*nats.Conn) (n int) {
	for _, nc := range all {
		if nc.IsConnected() {
			n++
		}
	}
	return n
}

// Whoever has a host's key loses the oldest of the connections that he opens with it. The host comes back by itself, as do all
// others.
func TestMemberConnectsWithoutEnd(t *testing.T) {
	const asked, most = 100, 8
	from := shared.hosts[0].log.mark()
	all := shared.open(t, shared.nodeTLS(shared.hosts[3].creds), asked)
	until(t, "all but a few are closed", func() bool { return standing(all) <= most })
	t.Logf("%d connections of one key: %d were let in, and %d stand", asked, len(all), standing(all))
	if _, err := shared.hosts[0].log.find(from, "connection closed by this node's broker", "too many connections of its key; this was the oldest", "limit=8", string(shared.hosts[3].id)); err != nil {
		t.Error(err)
	}
	for _, nc := range all {
		nc.Close()
	}
	shared.stats(t)
}

// Whoever has a token keeps out others who want to come in from the same address with a token, for a minute, and nobody else.
func TestTokenConnectsWithoutEnd(t *testing.T) {
	const asked, most = 200, 128
	token, from := shared.newToken(t, identity.Record{}), shared.hosts[0].log.mark()
	all := shared.open(t, joinTLS(t, token), asked)
	if n := standing(all); n > most {
		t.Errorf("%d connections stand", n)
	}
	if _, err := shared.hosts[0].log.find(from, "connection closed by this node's broker", "too many connections with tokens from this address", "limit=128", string(token.Record.ID())); err != nil {
		t.Error(err)
	}
	shared.stats(t)
}

// flood publishes until the broker closes the connection, and returns how much the client took of it.
func flood(t *testing.T, nc *nats.Conn, m *nats.Msg) (sent int) {
	t.Helper()
	late := time.Now().Add(patience)
	for ; !nc.IsClosed(); sent++ {
		nc.PublishMsg(m)
		if sent%1000 == 0 {
			nc.Flush()
			if time.Now().After(late) {
				t.Fatal("it is not disconnected")
			}
		}
	}
	return sent
}

// What is refused counts like what is not: a line of the log for each message would fill a disk.
func TestMemberPublishesWithoutEnd(t *testing.T) {
	web1, web4 := shared.hosts[0], shared.hosts[3]
	for _, subject := range []string{job.ReplySubject(web4.id, shared.admin.Public().ID(), "J"), job.AllSubject} {
		lines, from := web1.log.count("Publish Violation"), web1.log.mark()
		sent := flood(t, shared.dialAs(t, web4.creds), &nats.Msg{Subject: subject, Data: []byte("x")})
		if _, err := web1.log.find(from, "published more than its rate limit", string(web4.id)); err != nil {
			t.Error(err)
		}
		written := web1.log.count("Publish Violation") - lines
		t.Logf("%s: %d messages until it is disconnected, and %d lines", subject, sent, written)
		if written > 200 {
			t.Errorf("%d lines were written", written)
		}
		if nc, err := shared.dial(shared.nodeTLS(web4.creds)); err == nil && nc.Flush() == nil {
			t.Error("it came back at once")
		}
		shared.stats(t) // web4 too: its own connection stands
		shared.comesIn(t, shared.nodeTLS(web4.creds))
	}
}

// comesIn waits until that is let in: a key that published too much is after ten seconds.
func (m *mesh) comesIn(t *testing.T, c *tls.Config) {
	t.Helper()
	until(t, "it is let in", func() bool {
		nc, err := m.dial(c)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

// What it asked before it was disconnected waits in a queue that is bounded; the next honest host is admitted.
func TestTokenPublishesWithoutEnd(t *testing.T) {
	token, key := shared.newToken(t, identity.Record{}), identity.NewKey[identity.Node]()
	nc, err := shared.dial(joinTLS(t, token))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	j, err := identity.NewJoiner(identitytest.Statement(t, token, key, "web95", time.Now()), key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, from := token.Record.ID(), shared.hosts[0].log.mark()
	sent := flood(t, nc, &nats.Msg{Subject: job.JoinSubject(id), Reply: job.Inbox(id) + ".x", Data: j.Request})
	if _, err := shared.hosts[0].log.find(from, "published more than its rate limit", string(id)); err != nil {
		t.Error(err)
	}
	began := time.Now()
	until(t, "an honest host is admitted", func() bool {
		_, err := shared.join(t, shared.newToken(t, identity.Record{}), "web96", identity.NewKey[identity.Node]())
		return err == nil
	})
	t.Logf("%d requests until it is disconnected; after %v the next host is admitted", sent, time.Since(began))
	shared.stats(t)
}

// Who asks for much and does not read makes the broker keep it.
func TestNobodyReads(t *testing.T) {
	web1, web4, id := shared.hosts[0], shared.hosts[3], shared.admin.Public().ID()
	before, from := shared.brokers(t), web1.log.mark()
	for range 8 {
		greeted(t, web1.broker, adminTLS(t, shared.admin), "SUB "+job.RepliesSubject(id, "*")+" 1\r\n")
	}
	nc := shared.dialAs(t, web4.creds)
	peak, payload := int64(0), make([]byte, job.MaxReply)
	for range 300 { // 150 MB to each of the 8, which is 10 s of what a member may publish for long, less a half
		if err := errors.Join(nc.Publish(job.ReplySubject(web4.id, id, "J"), payload), nc.Flush()); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, shared.brokers(t))
	}
	if _, err := web1.log.find(from, string(id), "Slow Consumer"); err != nil {
		t.Error(err)
	}
	t.Logf("1.2 GB for 8 connections that do not read: the three brokers take %d MB, and %d MB at most", before, peak)
	shared.stats(t)
}

// greeted is a connection that has said who it is, and then these words.
func greeted(t *testing.T, addr string, c *tls.Config, words string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("CONNECT {\"verbose\":false,\"lang\":\"go\"}\r\n" + words + "PING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, text := make([]byte, 4096), ""
	conn.SetReadDeadline(time.Now().Add(patience))
	for !strings.Contains(text, "PONG") {
		n, err := conn.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		text += string(answer[:n])
	}
	conn.SetReadDeadline(time.Time{})
	return conn
}

// When a broker is nearly full, who says nothing has to go, and hosts and admins come in.
func TestSilentConnectionsWithoutEnd(t *testing.T) {
	web1 := shared.hosts[0]
	before, from := shared.brokers(t), web1.log.mark()
	var all []net.Conn
	for range 3000 {
		conn, err := net.Dial("tcp", web1.broker)
		if err != nil {
			break
		}
		defer conn.Close()
		all = append(all, conn)
	}
	t.Logf("%d silent connections: the three brokers take %d MB, and %d MB after", len(all), before, shared.brokers(t))
	if _, err := web1.log.find(from, "connection closed by this node's broker", "it did not authenticate in time"); err != nil {
		t.Error(err)
	}
	shared.comesIn(t, shared.nodeTLS(shared.hosts[3].creds))
	shared.stats(t)
}

// What nobody counts: one connection can keep one core of the peer busy with them. Jobs are answered all the same.
func TestMemberSubscribesAndPingsWithoutEnd(t *testing.T) {
	const jobs = 20
	took := func() time.Duration {
		began := time.Now()
		for range jobs {
			shared.stats(t)
		}
		return time.Since(began) / jobs
	}
	inbox, quiet := job.Inbox(shared.hosts[3].id), took()
	for name, words := range map[string]string{"SUB and UNSUB": "SUB " + inbox + ".x 1\r\nUNSUB 1\r\n", "PING": "PING\r\n"} {
		conn := greeted(t, shared.hosts[0].broker, shared.nodeTLS(shared.hosts[3].creds), "")
		var sent atomic.Int64
		ended := make(chan struct{})
		many := []byte(strings.Repeat(words, 100))
		go io.Copy(io.Discard, conn)
		go func() {
			defer close(ended)
			for {
				if _, err := conn.Write(many); err != nil {
					return
				}
				sent.Add(100)
			}
		}()
		until(t, "it is under way", func() bool { return sent.Load() > 10_000 })
		t.Logf("a job takes %v, and %v while a member sent %d times %s", quiet, took(), sent.Load(), name)
		conn.Close()
		<-ended
	}
}
