package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/plugins/plugin"
)

// A broker that has just started takes connections before its node answers: startPause is between two questions to it, and
// startPatience after how long they count as tries.
const startPause, startPatience = 200 * time.Millisecond, 6 * time.Second

// A question to the brokers' nodes is sent again, to whichever of them gets it, while none has answered: one that hangs gets
// questions as long as the other brokers take it for alive, and a connection to a broker that hangs is left after 6 s (pingEvery).
// It is sent at these times, and given up after inquiryTime. While answers take long, a copy is sent only after twice the time that the
// last one took, or mostPatience: whoever is so busy would have to answer each copy as well, and be busier for it.
func (c *Client) sendings() []time.Duration {
	const ms, mostPatience = time.Millisecond, 3 * time.Second
	c.mu.Lock()
	patience := min(2*c.took, mostPatience)
	c.mu.Unlock()
	at := []time.Duration{500 * ms, 1200 * ms, 2000 * ms, 3000 * ms, 4000 * ms, 5000 * ms, 6500 * ms}
	return append([]time.Duration{0}, slices.DeleteFunc(at, func(t time.Duration) bool { return t < patience })...)
}

const inquiryTime = 8 * time.Second

// Config is what a client needs. All fields but Seen, Known and Keep are required.
type Config struct {
	Root    identity.Anchor
	Key     identity.Signer
	Brokers []string // host:port; tried in random order
	// Seen is told the brokers' addresses each time a broker says who is there, so that they can be kept for the next
	// time, when those of today may be gone. It may be nil, and is called from several goroutines.
	Seen func(brokers []string)
	// Known is what the client knows from the last time; the zero value knows nothing. Keep is told of each newer roster, and of all
	// revocations, when one of them is new; it may be nil, and is called from several goroutines.
	Known Rules
	Keep  func(Rules)
	Log   *slog.Logger
	// Declared looks up an action as this program knows it. Every job says what that was, and hosts that know another one refuse it.
	Declared func(plugin, action string) (plugin.Action, bool)
}

// Client is an admin's connection to the fleet. It is safe for use by several goroutines.
type Client struct {
	config     Config
	id         identity.ID // of the admin's key
	conn       *nats.Conn
	statements *identity.Verifier

	mu     sync.Mutex
	rules  Rules
	root   identity.Authority
	roster identity.Roster // what rules say
	took   time.Duration   // how long the last question took that was answered
	lag    time.Duration   // the shortest time in which a broker's node has answered; 0: none has

	pace     pace
	heard    atomic.Pointer[time.Time] // when a reply of any run was looked at last
	met      atomic.Bool               // a broker that a roster admits
	reminded bool                      // the fleet, of signed documents that it has not
}

// Connect connects to the first of the brokers that answers. It blocks for at most five seconds and another third of one for
// each broker, or until ctx ends; the connection outlives ctx.
func Connect(ctx context.Context, c Config) (*Client, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("no broker address is known")
	}
	me, err := known(c)
	if err != nil {
		return nil, err
	}
	tls, err := identity.AdminTLS(c.Root, c.Key, me.judging)
	if err != nil {
		return nil, err
	}
	shown := identity.Shown(tls)
	urls := make([]string, len(c.Brokers))
	for i, b := range c.Brokers {
		urls[i] = job.BrokerURL(b)
	}
	nc, err := dial(ctx, urls,
		nats.Name("admin"), nats.Secure(tls), nats.TLSHandshakeFirst(), nats.CustomInboxPrefix(job.Inbox(me.id)),
		nats.IgnoreDiscoveredServers(), nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 200*time.Millisecond),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsOut), nats.SyncQueueLen(answersWait),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.Log.Warn("connection", logkey.Error, err) }),
	)
	if ctx.Err() != nil {
		if err == nil {
			nc.Close()
		}
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("no broker accepted this admin (%s): %w", strings.Join(c.Brokers, ", "), explain(err))
	}
	me.conn = nc
	if err := me.meet(ctx, shown()); err != nil {
		nc.Close()
		return nil, err
	}
	return me, nil
}

// connect is nats.Connect that ends with ctx.
func connect(ctx context.Context, options ...nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect("", options...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() { // the attempt cannot be called off, only waited for
			if r := <-done; r.err == nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// ErrStranger is wrapped by Connect where a broker knows no admin with this key.
var ErrStranger = errors.New("the broker's roster does not contain this admin's key")

// explain puts the broker's short words into longer ones.
func explain(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), strings.Contains(err.Error(), "bad certificate"):
		return fmt.Errorf("%w: %w", err, ErrStranger)
	case errors.Is(err, nats.ErrNoServers), strings.Contains(err.Error(), "connection refused"):
		return fmt.Errorf("%w: nothing is listening there, or a firewall blocks it", err)
	}
	return err
}

// Close ends the connection. No run may be under way.
func (c *Client) Close() { c.conn.Close() }

// inquire asks the brokers' nodes, for at most inquiryTime. An answer gets lost when a broker goes, hangs, or judges its
// connections anew after the roster changed. So whatever is asked must do no harm when it is asked more than once; the first
// answer counts.
func (c *Client) inquire(ctx context.Context, subject string, question []byte) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, inquiryTime)
	defer cancel()
	inbox := c.conn.NewInbox() + "."
	answers, err := c.conn.SubscribeSync(inbox + "*")
	if err != nil {
		return nil, err
	}
	defer answers.Unsubscribe()
	began, at := time.Now(), c.sendings()
	for failed, copies := error(nil), 0; ; copies++ {
		// A broker lets a node answer once on a subject, so each copy has one of its own.
		if err := c.conn.PublishRequest(subject, inbox+strconv.Itoa(copies), question); err != nil {
			return nil, err
		}
		for len(at) > 0 && time.Since(began) >= at[0] {
			at = at[1:]
		}
		answer, err := next(limited, answers, began, at)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			c.mu.Lock()
			c.took = time.Since(began)
			c.mu.Unlock()
			return answer, nil
		case !errors.Is(err, context.DeadlineExceeded):
			failed = err
		case failed == nil:
			failed = nats.ErrTimeout
		}
		noBody := errors.Is(err, nats.ErrNoResponders)
		switch {
		case noBody && time.Since(began) < startPatience:
			wait.For(limited, startPause)
		case len(at) == 0 || noBody || limited.Err() != nil:
			return nil, failed
		}
	}
}

// answersWait is how many answers to one question may wait. There is one subscription for each question, and nats.go would make
// room for 65,536 in it: half a megabyte to be cleared and collected, twice in each command.
const answersWait = 16

// next waits for an answer until the question is to be sent again, at the first of these times, or until ctx ends.
func next(ctx context.Context, answers *nats.Subscription, began time.Time, at []time.Duration) ([]byte, error) {
	if len(at) > 0 {
		until, cancel := context.WithDeadline(ctx, began.Add(at[0]))
		defer cancel()
		ctx = until
	}
	m, err := answers.NextMsgWithContext(ctx)
	if err != nil {
		return nil, err
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders // there is a broker, and no node to take the question
	}
	return m.Data, nil
}

// Members asks the brokers who is there, page by page. It blocks for at most eight seconds a page; up to 8,192 hosts are one.
func (c *Client) Members(ctx context.Context) ([]job.Member, error) {
	var all []job.Member
	after := identity.ID("")
	for range job.MaxPages {
		page, err := c.membersAfter(ctx, after)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Members...)
		if !page.More {
			if c.config.Seen != nil {
				c.config.Seen(brokers(all))
			}
			return all, nil
		}
		last := page.Members[len(page.Members)-1].Node
		if last <= after {
			return nil, fmt.Errorf("the node %s returned a page of the member list that does not follow the last one", page.From)
		}
		after = last
	}
	return nil, fmt.Errorf("the member list has more than %d pages", job.MaxPages)
}

func (c *Client) membersAfter(ctx context.Context, after identity.ID) (job.Members, error) {
	began := time.Now()
	raw, err := c.inquire(ctx, job.MembersSubject, job.AskMembers(after))
	if ctx.Err() != nil {
		return job.Members{}, ctx.Err()
	}
	if err != nil {
		return job.Members{}, fmt.Errorf("no broker returned the member list: %w", err)
	}
	c.mu.Lock()
	if took := time.Since(began); c.lag == 0 || took < c.lag {
		c.lag = took
	}
	c.mu.Unlock()
	return job.DecodeMembers(raw)
}

// slowness is the shortest time in which a broker's node has answered this client; 0: none has.
func (c *Client) slowness() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lag
}

// brokers returns the addresses of the brokers that are alive.
func brokers(members []job.Member) []string {
	var addrs []string
	for _, m := range members {
		if m.Presence == job.Alive && m.Broker != "" {
			addrs = append(addrs, m.Broker)
		}
	}
	return addrs
}

// PutDocument hands a signed document in at a broker, which spreads it. It blocks for at most eight seconds.
func (c *Client) PutDocument(ctx context.Context, signed []byte) error {
	answer, err := c.inquire(ctx, job.DocPutSubject, signed)
	if err != nil {
		return fmt.Errorf("send a document to a broker: %w", err)
	}
	if len(answer) > 0 {
		return fmt.Errorf("the broker rejected the document: %s", answer)
	}
	return nil
}

// PutWaiting leaves a signed job with the brokers' nodes, for other admins to approve, or adds the approvals it carries to
// the copy there. It blocks for at most eight seconds.
func (c *Client) PutWaiting(ctx context.Context, signed []byte) error {
	answer, err := c.inquire(ctx, job.WaitPutSubject, signed)
	if err != nil {
		return fmt.Errorf("store the job at the brokers: %w", err)
	}
	if len(answer) > 0 {
		return fmt.Errorf("the broker rejected the job: %s", answer)
	}
	return nil
}

// Waiting asks the brokers' nodes for a job that waits. What comes is not verified. It blocks for at most eight seconds.
func (c *Client) Waiting(ctx context.Context, id string) ([]byte, error) {
	signed, err := c.inquire(ctx, job.WaitGetSubject, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("ask for job %s: %w", id, err)
	}
	if len(signed) == 0 {
		return nil, fmt.Errorf("no broker has a job %s: it expired or was never stored there", id)
	}
	return signed, nil
}
