//go:build lab

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/job"
	"fleet/plugins/answers"
)

// The thief is this test's own binary, started again on the captured peer's host in place of its agent. It has the host's address and
// its whole disk, and runs none of the node's code: it plays the peer as far as others can see, and does what it is ordered, a line of
// JSON each.

// asThief names the data directory that the binary is to play.
const asThief = "FLEET_E2E_THIEF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asThief); dir != "" {
		if err := serveThief(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// order is what the thief is to do.
type order struct {
	Do     string
	Addr   string   // host:port of an honest broker; for "start" the host's own address
	Routes []string // of "start": host:port of the honest brokers' routes
	Token  string
	Name   string
	Node   identity.ID
	Raw    [][]byte
}

// loot is what came of it.
type loot struct {
	Count int      // what was sent, or came to it
	Said  []string // by others
	Raw   [][]byte
	Err   string
}

// thief holds the captured peer's disk and plays the peer.
type thief struct {
	disk   captured.Disk
	broker *captured.Broker
	own    identity.PrivateKey[identity.Admin] // an admin's key that no roster has

	mu      sync.Mutex
	jobs    [][]byte               // overheard, signed
	lying   bool                   // each job is answered with lies first
	lies    int                    // said so far
	also    []identity.Credentials // hosts that it made, for which it answers too
	hogs    map[string]*hogging    // by the order that began it
	replies *nats.Subscription
}

func serveThief(dir string, in io.Reader, out io.Writer) error {
	disk, err := captured.Open(dir)
	if err != nil {
		return err
	}
	t := &thief{disk: disk, own: identity.NewKey[identity.Admin](), hogs: map[string]*hogging{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		l, err := t.obey(o)
		if err != nil {
			l.Err = err.Error()
		}
		if err := json.NewEncoder(out).Encode(l); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (t *thief) obey(o order) (loot, error) {
	do := map[string]func(order) (loot, error){
		"start": t.start, "connect": t.connect, "invent": t.invent, "lie": t.lie, "replay": t.replay, "forge": t.forge, "publish as": t.publishAs,
		"make a host": t.makeHost, "ask to join": t.askToJoin, "keep the news": t.keepNews, "let go": t.letGo, "hold admissions": t.holdAdmissions,
		"admit into the past": t.admitIntoThePast, "admit as another": t.admitAsAnother, "renew as another": t.renewAsAnother, "renew": t.renew,
		"asked": t.asked, "announce": t.announceDocuments, "gossip": t.announceMember, "read replies": t.readReplies,
	}[o.Do]
	if do == nil {
		return loot{}, fmt.Errorf("nobody taught the thief to %s", o.Do)
	}
	return do(o)
}

// start takes the peer's place: its broker, its gossip, its answers.
func (t *thief) start(o order) (loot, error) {
	var err error
	t.broker, err = captured.Serve(t.disk.Root.ID(), t.disk.Credentials,
		captured.Place{Name: string(t.disk.ID()), Host: o.Addr, ClientPort: 7421, RoutePort: 7422, Routes: o.Routes})
	if err != nil {
		return loot{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), eventually)
	defer cancel()
	if err := t.broker.Connected(ctx, len(o.Routes)); err != nil {
		return loot{}, err
	}
	if _, err := t.broker.Conn.Subscribe("fleet.job.>", t.hear); err != nil {
		return loot{}, err
	}
	var seeds []string
	for _, r := range o.Routes {
		seeds = append(seeds, netip.AddrPortFrom(netip.MustParseAddrPort(r).Addr(), 7420).String())
	}
	self := gossip.Member{ID: string(t.disk.ID()), Host: o.Name, Started: time.Now(), Peer: true, Broker: true, BrokerPort: 7421, RoutePort: 7422, Protocol: job.Protocol}
	_, err = t.gossips(netip.AddrPortFrom(netip.MustParseAddr(o.Addr), 7420), seeds, self)
	return loot{Count: t.broker.Server.NumRoutes()}, err
}

// gossips announces a member, until stop.
func (t *thief) gossips(bind netip.AddrPort, seeds []string, self gossip.Member) (stop func(), err error) {
	g, err := gossip.New(gossip.Config{Self: self, Fleet: string(t.disk.Root.ID()), Bind: bind, Keys: t.disk.GossipKeys, Log: slog.New(slog.DiscardHandler),
		Prove: func(challenge []byte) []byte { return identity.ProveKey(t.disk.Key, challenge) }})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	_, err = g.Join(ctx, seeds)
	return func() { cancel(); <-done }, err
}

// hear overhears each job, and answers those that are for the peer as an honest one would that has all in force: with lies before, if
// that was ordered.
func (t *thief) hear(m *nats.Msg) {
	j, h, err := captured.Overheard(m.Data)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jobs = append(t.jobs, m.Data)
	if t.lying {
		t.lies += t.tellLies(j, h)
	}
	for _, c := range append(slices.Clone(t.also), t.face()) {
		id := c.Key.Public().ID()
		if m.Subject == job.AllSubject && (len(j.Targets) == 0 || slices.Contains(j.Targets, id)) || m.Subject == job.NodeSubject(id) {
			t.broker.Answer(j, h, id, c, answerOf(j, h, id))
		}
	}
}

// face is who it shows that it is.
func (t *thief) face() identity.Credentials {
	c := t.disk.Credentials
	if t.lying {
		c.Labels, _ = identity.SignLabels(t.own, identity.Labels{Fleet: t.disk.Root.ID(), Node: t.disk.ID(), Labels: map[string]string{"env": "invented"}, Version: 1 << 60})
	}
	return c
}

// answerOf says that all is well, and that the newest keys and documents are in force.
func answerOf(j job.Job, h job.Hash, id identity.ID) job.Reply {
	r := job.Reply{Job: h, Kind: job.Result, State: job.OK, Message: "all is well", Time: time.Now().UnixMilli()}
	switch j.Action {
	case "daemon_stats":
		const newest = 1 << 60
		r.Data = answers.Data(answers.Statistics{About: answers.About{ID: string(id)}, Stats: map[string]int64{"rotation": newest, "certified": newest}})
	case "audit":
		r.Data = answers.Data(answers.AuditPage{})
	}
	return r
}

// tellLies answers as hosts that it is not, and returns how often.
func (t *thief) tellLies(j job.Job, h job.Hash) (n int) {
	invented, err := t.madeUp(identity.Record{Role: identity.Member, Labels: map[string]string{"env": "prod"}}, "web9")
	if err != nil {
		return 0
	}
	own := t.disk.Credentials
	r := job.Reply{Job: h, Kind: job.Result, State: job.OK, Message: "a lie", Time: time.Now().UnixMilli()}
	elsewhere := r
	elsewhere.Job = job.Hash{1}
	open, _ := r.Sign(own)
	for _, err := range []error{
		t.broker.Answer(j, h, invented.Key.Public().ID(), invented, r),
		t.broker.Answer(j, h, t.disk.ID(), identity.Credentials{Key: identity.NewKey[identity.Node](), Statement: own.Statement}, r),
		t.broker.Answer(j, h, t.disk.ID(), own, elsewhere),
		t.broker.Conn.Publish(job.ReplySubject(t.disk.ID(), j.Signer.ID(), j.ID), open), // signed, and not sealed
	} {
		if err == nil {
			n++
		}
	}
	return n
}

// madeUp is a host whose token the thief's own key signed, with a certificate by the issuing key.
func (t *thief) madeUp(r identity.Record, name string) (identity.Credentials, error) {
	now := time.Now()
	r.Created, r.Expires = now, now.Add(time.Hour)
	token, err := identity.NewToken(t.disk.Root, t.own, r, []string{"127.0.0.1:1"})
	if err != nil {
		return identity.Credentials{}, err
	}
	return t.hostOf(token, identity.NewKey[identity.Node](), name)
}

// hostOf is the host with this key that joined with that token, as far as the issuing key can say so.
func (t *thief) hostOf(token identity.Token, key identity.PrivateKey[identity.Node], name string) (identity.Credentials, error) {
	statement, err := identity.NewStatement(token, key.Public(), identity.NewSealKey().Public(), name, time.Now())
	if err != nil {
		return identity.Credentials{}, err
	}
	chain, err := t.disk.Issuer().Issue(statement, time.Now())
	return identity.Credentials{Key: key, Chain: chain, Statement: statement}, err
}

// dial connects to an honest broker as a client of fleet's would, and as whoever has these credentials.
func (t *thief) dial(addr string, c identity.Credentials) (*nats.Conn, error) {
	conf := identity.NodeTLS(t.disk.Root, func() identity.Credentials { return c }, func() identity.Roster { return identity.Roster{} })
	conf.VerifyConnection = nil
	nc, err := nats.Connect("tls://"+addr, nats.Secure(conf), nats.TLSHandshakeFirst(), nats.NoReconnect(), nats.Timeout(10*time.Second),
		nats.CustomInboxPrefix(job.Inbox(c.Key.Public().ID())), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	if err := nc.Flush(); err != nil { // in TLS 1.3 a refusal comes after the handshake
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// errIn is what a dial says that should have been refused.
var errIn = errors.New("it was let in")

func (t *thief) refused(addr string, c identity.Credentials) string {
	nc, err := t.dial(addr, c)
	if err != nil {
		return err.Error()
	}
	nc.Close()
	return errIn.Error()
}
