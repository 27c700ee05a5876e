//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/internal/wire"
	"fleet/job"
)

// What the thief can be ordered to do. Each attempt says how often it was made, or how many questions came to it, so that the test can
// tell what failed from what never happened.

// connect connects to an honest broker with what stands on the disk.
func (t *thief) connect(o order) (loot, error) {
	return loot{Count: 1, Said: []string{t.refused(o.Addr, t.disk.Credentials)}}, nil
}

// invent comes to an honest broker as a member, as a peer and as this peer with other labels, which it certified itself.
func (t *thief) invent(o order) (l loot, err error) {
	for _, r := range []identity.Record{{Role: identity.Member}, {Role: identity.Peer}} {
		c, err := t.madeUp(r, "web9")
		if err != nil {
			return l, err
		}
		l.Said = append(l.Said, t.refused(o.Addr, c))
	}
	now := time.Now()
	token, err := identity.NewToken(t.disk.Root, t.own, identity.Record{Role: identity.Peer, Labels: map[string]string{"env": "prod"}, Created: now, Expires: now.Add(time.Hour)}, []string{o.Addr})
	if err != nil {
		return l, err
	}
	relabelled, err := t.hostOf(token, t.disk.Key, o.Name)
	if err != nil {
		return l, err
	}
	l.Said = append(l.Said, t.refused(o.Addr, relabelled))
	l.Count = len(l.Said)
	return l, nil
}

// lie begins or ends to answer each job with lies.
func (t *thief) lie(o order) (loot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.lies
	t.lying, t.lies = o.Name == "on", 0
	return loot{Count: n}, nil
}

// replay sends each job again that it overheard, to all and to one.
func (t *thief) replay(o order) (l loot, err error) {
	t.mu.Lock()
	jobs := t.jobs
	t.mu.Unlock()
	for _, signed := range jobs {
		err = errors.Join(err, t.broker.Conn.Publish(job.AllSubject, signed), t.broker.Conn.Publish(job.NodeSubject(o.Node), signed))
		l.Count++
	}
	return l, errors.Join(err, t.broker.Conn.Flush())
}

// forge changes the last job of a service that it overheard, keeping its signature, and signs another with a key of its own.
func (t *thief) forge(o order) (l loot, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.jobs) - 1; i >= 0; i-- {
		j, _, err := captured.Overheard(t.jobs[i])
		if err != nil || j.Plugin != "service" || j.Mode != job.Run {
			continue
		}
		j.Args, j.Targets, j.ID = map[string]any{"service": o.Name}, nil, job.NewID(time.Now())
		own, err := j.Sign(t.own)
		if err != nil {
			return l, err
		}
		body, err := wire.Marshal(j)
		if err != nil {
			return l, err
		}
		changed := slices.Concat(t.jobs[i][:len(t.jobs[i])-len(bodyOf(t.jobs[i]))], body)
		err = errors.Join(t.broker.Conn.Publish(job.AllSubject, own), t.broker.Conn.Publish(job.AllSubject, changed), t.broker.Conn.Flush())
		return loot{Count: 2, Said: []string{j.ID}}, err
	}
	return l, errors.New("it overheard no job of a service")
}

func bodyOf(signed []byte) []byte {
	_, body, err := identity.Split(signed)
	if err != nil {
		return nil
	}
	return body
}

// publishAs speaks under another host's name over a connection to an honest broker.
func (t *thief) publishAs(o order) (l loot, err error) {
	nc, err := t.dial(o.Addr, t.disk.Credentials)
	if err != nil {
		return l, err
	}
	defer nc.Close()
	for _, subject := range []string{job.ReplySubject(o.Node, "admin", "job"), job.RenewSubject(o.Node), job.LeaveSubject(o.Node), job.PresenceSubject(o.Node), job.NodeSubject(o.Node), job.AllSubject} {
		if err := errors.Join(nc.Publish(subject, []byte("x")), nc.Flush()); err != nil {
			return l, err
		}
		said := "nothing"
		if err := nc.LastError(); err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, subject) {
			said = subject + ": the last that was said is " + said
		}
		l.Said = append(l.Said, said)
		l.Count++
	}
	return l, nil
}

// makeHost makes a host with a token whose secret it has, and brings it in.
func (t *thief) makeHost(o order) (l loot, err error) {
	token, err := identity.ParseToken(o.Token)
	if err != nil {
		return l, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.also) == 0 {
		c, err := t.hostOf(token, identity.NewKey[identity.Node](), o.Name)
		if err != nil {
			return l, err
		}
		t.also = append(t.also, c)
	}
	return loot{Count: 1, Said: []string{t.refused(o.Addr, t.also[0])}}, nil
}

// askToJoin asks the honest peers to admit a host, past every door.
func (t *thief) askToJoin(o order) (l loot, err error) {
	token, err := identity.ParseToken(o.Token)
	if err != nil {
		return l, err
	}
	key := identity.NewKey[identity.Node]()
	statement, err := identity.NewStatement(token, key.Public(), identity.NewSealKey().Public(), o.Name, time.Now())
	if err != nil {
		return l, err
	}
	j, err := identity.NewJoiner(statement, key, time.Now())
	if err != nil {
		return l, err
	}
	m, err := t.broker.Conn.Request(job.JoinSubject(token.Record.ID()), j.Request, 10*time.Second)
	if err != nil {
		return l, err
	}
	said := errIn.Error()
	if _, err := j.Open(m.Data); err != nil {
		said = err.Error()
	}
	return loot{Count: 1, Said: []string{string(key.Public().ID()), said}}, nil
}

// hogging is what came to the thief in place of the honest brokers' nodes.
type hogging struct {
	asked int
	stop  []func()
}

// hog answers questions on a subject, until what was ordered is let go.
func (t *thief) hog(o order, subject string, answer func(m *nats.Msg)) error {
	t.mu.Lock()
	h := t.hogs[o.Do]
	if h == nil {
		h = &hogging{}
		t.hogs[o.Do] = h
	}
	t.mu.Unlock()
	stop, err := t.broker.Hog(subject, func(m *nats.Msg) {
		t.mu.Lock()
		h.asked++
		t.mu.Unlock()
		answer(m)
	})
	if err == nil {
		h.stop = append(h.stop, stop)
	}
	return err
}

// letGo ends what was ordered, and says how many questions came to it.
func (t *thief) letGo(o order) (loot, error) {
	h := t.hogs[o.Name]
	if h == nil {
		return loot{}, fmt.Errorf("the thief does not %s", o.Name)
	}
	for _, stop := range h.stop {
		stop()
	}
	delete(t.hogs, o.Name)
	t.mu.Lock()
	defer t.mu.Unlock()
	return loot{Count: h.asked}, nil
}

// asked is how many questions came to it so far.
func (t *thief) asked(o order) (loot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.hogs[o.Name]; h != nil {
		return loot{Count: h.asked}, nil
	}
	return loot{}, fmt.Errorf("the thief does not %s", o.Name)
}

// keepNews takes each document that is handed in, says so, and hands out what is on the disk.
func (t *thief) keepNews(o order) (loot, error) {
	return loot{}, errors.Join(t.hog(o, job.DocPutSubject, func(m *nats.Msg) { m.Respond(nil) }), t.handOut(o))
}

// handOut answers who asks for documents with those on the disk.
func (t *thief) handOut(o order) error {
	old, err := job.DocumentAnswer{Documents: t.disk.Documents}.Encode()
	if err != nil {
		return err
	}
	return t.hog(o, job.DocGetSubject, func(m *nats.Msg) { m.Respond(old) })
}

func (t *thief) holdAdmissions(o order) (loot, error) {
	return loot{}, t.hog(o, job.JoinSubject("*"), func(*nats.Msg) {})
}

// admit answers requests to join with a certificate for what of makes of the host's own statement.
func (t *thief) admit(o order, of func(statement []byte) ([]byte, error)) error {
	return t.hog(o, job.JoinSubject("*"), func(m *nats.Msg) {
		var req identity.JoinRequest
		if wire.Unmarshal(bodyOf(m.Data), &req) != nil {
			return
		}
		statement, err := of(req.Statement)
		if err != nil {
			return
		}
		chain, err := t.disk.Issuer().Issue(statement, time.Now())
		if err != nil {
			return
		}
		sealed, err := req.Seal(identity.Admission{Chain: chain, GossipKey: t.disk.GossipKeys[0], Gossip: t.disk.Seeds, Brokers: t.disk.Brokers, Issuing: []byte(t.disk.Issuing.Secret())})
		if err == nil {
			m.Respond(sealed)
		}
	})
}

// admitIntoThePast hands a joining host the roster that stands on the disk.
func (t *thief) admitIntoThePast(o order) (loot, error) {
	return loot{}, errors.Join(t.handOut(o), t.admit(o, func(statement []byte) ([]byte, error) { return statement, nil }))
}

// admitAsAnother gives a joining host a certificate for a host of the thief's own making.
func (t *thief) admitAsAnother(o order) (loot, error) {
	return loot{}, t.admit(o, func([]byte) ([]byte, error) { return t.anothers(o) })
}

func (t *thief) anothers(o order) ([]byte, error) {
	token, err := identity.ParseToken(o.Token)
	if err != nil {
		return nil, err
	}
	return identity.NewStatement(token, identity.NewKey[identity.Node]().Public(), identity.NewSealKey().Public(), o.Name, time.Now())
}

// renewAsAnother answers each host that wants a fresh certificate with one for the same key, name and time, and a sealing key of the
// thief's and the role and labels of a token whose secret it has.
func (t *thief) renewAsAnother(o order) (loot, error) {
	token, err := identity.ParseToken(o.Token)
	if err != nil {
		return loot{}, err
	}
	return loot{}, t.hog(o, job.RenewSubject("*"), func(m *nats.Msg) {
		var req identity.RenewRequest
		if wire.Unmarshal(bodyOf(m.Data), &req) != nil {
			return
		}
		claim, err := statementOf(t.disk.Root, req.Chain)
		if err != nil {
			return
		}
		statement, err := identity.NewStatement(token, claim.Key(), identity.NewSealKey().Public(), o.Name, time.Now())
		if err != nil {
			return
		}
		var answer struct {
			Refused string         `cbor:"1,keyasint,omitempty"`
			Chain   identity.Chain `cbor:"2,keyasint"`
		}
		if answer.Chain, err = t.disk.Issuer().Issue(statement, time.Now()); err != nil {
			return
		}
		if raw, err := wire.Marshal(answer); err == nil {
			m.Respond(raw)
		}
	})
}

func statementOf(root identity.Anchor, c identity.Chain) (identity.Claim, error) {
	raw, err := identity.StatementOf(c)
	if err != nil {
		return identity.Claim{}, err
	}
	return identity.OpenStatement(root, raw)
}

// renew asks an honest broker's nodes for a fresh certificate, past the door if that does not open.
func (t *thief) renew(o order) (l loot, err error) {
	request, err := identity.SignRenewal(t.disk.Credentials, time.Now())
	if err != nil {
		return l, err
	}
	nc, err := t.dial(o.Addr, t.disk.Credentials)
	if err != nil {
		return loot{Count: 1, Said: []string{err.Error()}}, nil
	}
	defer nc.Close()
	m, err := nc.Request(job.RenewSubject(t.disk.ID()), request, 10*time.Second)
	if err != nil {
		return l, err
	}
	return loot{Count: 1, Said: []string{string(m.Data)}}, nil
}

// announceDocuments tells all nodes of documents, as a peer does.
func (t *thief) announceDocuments(o order) (l loot, err error) {
	for _, raw := range o.Raw {
		err = errors.Join(err, t.broker.Conn.Publish(job.DocNewSubject, raw))
		l.Count++
	}
	return l, errors.Join(err, t.broker.Conn.Flush())
}

// announceMember says in gossip that there is a host with that id and name at this address.
func (t *thief) announceMember(o order) (loot, error) {
	var seeds []string
	for _, r := range o.Routes {
		seeds = append(seeds, netip.AddrPortFrom(netip.MustParseAddrPort(r).Addr(), 7420).String())
	}
	bind := netip.AddrPortFrom(netip.MustParseAddr(o.Addr), 0)
	stop, err := t.gossips(bind, seeds, gossip.Member{ID: string(o.Node), Host: o.Name, Started: time.Now(), Protocol: job.Protocol})
	if err == nil {
		t.hogs[o.Do] = &hogging{stop: []func(){stop}}
	}
	return loot{Count: 1}, err
}

// readReplies begins to collect replies, and at the second call says how many there were and how many it could open.
func (t *thief) readReplies(order) (l loot, err error) {
	if t.replies == nil {
		t.replies, err = t.broker.Conn.SubscribeSync("fleet.reply.>")
		return l, errors.Join(err, t.broker.Conn.Flush())
	}
	t.mu.Lock()
	jobs := t.jobs
	t.mu.Unlock()
	for m, err := t.replies.NextMsg(time.Second); err == nil; m, err = t.replies.NextMsg(time.Second) {
		l.Count++
		for _, signed := range jobs {
			if _, err := job.UnsealReply(t.disk.Seal, job.HashOf(signed), m.Data); err == nil {
				l.Said = append(l.Said, m.Subject)
			}
		}
	}
	t.replies.Unsubscribe()
	t.replies = nil
	return l, nil
}
