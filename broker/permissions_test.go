package broker_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/job"
)

// The whole table: who may publish and subscribe where. What is not listed as allowed is refused.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	member, peer, ephemeral, token := w.node(identity.Member), w.node(identity.Peer), w.node(identity.Ephemeral), w.token(identity.Record{})
	const self, other = identity.ID("SELF"), identity.ID("zzzzzzzzzzzzzzzzzzzzzzzzzz")
	everywhere := []string{
		">", "*", "fleet.>", "fleet.*", "$SYS.>", "$SYS.REQ.SERVER.PING", "something",
		job.AllSubject, "fleet.job.>", "fleet.job.*", "fleet.job.node.*", job.NodeSubject(self), job.NodeSubject(other),
		"fleet.reply.>", job.NodeReplies(self), job.NodeReplies(other), job.ReplySubject(self, other, "J"), job.ReplySubject(other, self, "J"),
		job.ReplySubject(other, other, "J"), job.RepliesSubject(self, "*"), job.RepliesSubject(self, "J"), job.RepliesSubject(other, "*"), job.RepliesSubject("*", "*"),
		job.ProbeSubject, "fleet.probe.*", job.NodeProbeSubject(self), job.NodeProbeSubject(other), job.ProbedSubject(self, other), job.ProbedSubject(other, other),
		job.MembersSubject, job.MeshSubject, job.MeshNewSubject, "fleet.mesh.*", job.DocGetSubject, job.DocPutSubject, job.DocNewSubject, "fleet.doc.*",
		job.WaitGetSubject, job.WaitPutSubject, job.WaitNewSubject, "fleet.wait.*",
		job.JoinSubject(self), job.JoinSubject(other), job.JoinSubject("*"), job.RenewSubject(self), job.RenewSubject(other), job.RenewSubject("*"),
		job.LeaveSubject(self), job.LeaveSubject(other), job.LeaveSubject("*"), job.PresenceSubject(self), job.PresenceSubject(other), job.PresenceSubject("*"),
		job.Inbox(self) + ".>", job.Inbox(self) + ".x", job.Inbox(other) + ".>", job.Inbox(other) + ".x", "_INBOX.>", "_INBOX.*.x",
	}
	node := who{w.nodeTLS(member), member.Key.Public().ID(),
		[]string{job.NodeReplies(self), job.ReplySubject(self, other, "J"), job.ProbedSubject(self, other), job.RenewSubject(self), job.LeaveSubject(self), job.DocGetSubject, job.MeshSubject},
		[]string{job.AllSubject, job.NodeSubject(self), job.NodeProbeSubject(self), job.Inbox(self) + ".>", job.Inbox(self) + ".x", job.DocNewSubject, job.MeshNewSubject}}
	for name, p := range map[string]who{
		"member":    node,
		"ephemeral": {w.nodeTLS(ephemeral), ephemeral.Key.Public().ID(), node.publish, node.subscribe},
		"peer": {w.nodeTLS(peer), peer.Key.Public().ID(), append([]string{job.DocNewSubject, job.MeshNewSubject, job.WaitNewSubject, job.PresenceSubject(self)}, node.publish...),
			append([]string{job.MembersSubject, job.ProbeSubject, job.MeshSubject, job.JoinSubject(self), job.JoinSubject(other), job.JoinSubject("*"), job.DocGetSubject, job.DocPutSubject,
				job.RenewSubject(self), job.RenewSubject(other), job.RenewSubject("*"), job.WaitGetSubject, job.WaitPutSubject, job.WaitNewSubject,
				job.LeaveSubject(self), job.LeaveSubject(other), job.LeaveSubject("*"),
				job.PresenceSubject(self), job.PresenceSubject(other), job.PresenceSubject("*")}, node.subscribe...)},
		"admin": {w.adminTLS(w.admin), w.admin.Public().ID(),
			[]string{job.AllSubject, job.NodeSubject(self), job.NodeSubject(other), job.MembersSubject, job.ProbeSubject, job.NodeProbeSubject(self), job.NodeProbeSubject(other), job.DocGetSubject, job.DocPutSubject, job.WaitGetSubject, job.WaitPutSubject},
			[]string{job.RepliesSubject(self, "*"), job.RepliesSubject(self, "J"), job.ReplySubject(other, self, "J"), job.Inbox(self) + ".>", job.Inbox(self) + ".x"}},
		"joining": {w.tokenTLS(token), token.Record.ID(),
			[]string{job.JoinSubject(self), job.DocGetSubject}, []string{job.Inbox(self) + ".>", job.Inbox(self) + ".x"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, subject := range everywhere {
				real := strings.ReplaceAll(subject, string(self), string(p.id))
				for verb, allowed := range map[string][]string{"publish": p.publish, "subscribe": p.subscribe} {
					if verb == "publish" && strings.ContainsAny(subject, "*>") {
						continue // literal there, and so another subject than it looks
					}
					want := slices.Contains(allowed, subject)
					nc := w.connect(b, p.tls)
					if err := try(nc, verb, real); (err == nil) != want {
						t.Errorf("%s %s: %v", verb, subject, err)
					}
					nc.Close()
				}
			}
		})
	}
	w.works(b, b)
}

// who is a principal and all that it may do.
type who struct {
	tls                *tls.Config
	id                 identity.ID
	publish, subscribe []string
}

// try returns what the broker says to it. Its word comes before the answer to the flush, on one connection.
func try(nc *nats.Conn, verb, subject string) error {
	var err error
	if verb == "publish" {
		err = nc.Publish(subject, []byte("x"))
	} else {
		_, err = nc.SubscribeSync(subject)
	}
	return errors.Join(err, nc.Flush(), nc.LastError())
}

// What one may not say is not heard either: the error is not just words.
func TestWhatIsRefusedDoesNotArrive(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	victim, taken := w.node(identity.Member), w.node(identity.Member)
	v := w.connect(b, w.nodeTLS(victim))
	jobs, err := v.SubscribeSync(job.AllSubject)
	if err != nil {
		t.Fatal(err)
	}
	a := w.connect(b, w.adminTLS(w.admin))
	replies, err := a.SubscribeSync(job.RepliesSubject(w.admin.Public().ID(), "J"))
	if err := errors.Join(err, v.Flush(), a.Flush()); err != nil {
		t.Fatal(err)
	}

	rogue := w.connect(b, w.nodeTLS(taken))
	rogue.Publish(job.AllSubject, []byte("forged job"))
	rogue.Publish(job.ReplySubject(victim.Key.Public().ID(), w.admin.Public().ID(), "J"), []byte("forged reply"))
	rogue.Flush()
	if err := rogue.LastError(); err == nil || !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
		t.Errorf("the rogue was told %v", err)
	}
	// The honest ones come after: whoever hears them has heard all that there was.
	if err := errors.Join(a.Publish(job.AllSubject, []byte("real job")), a.Flush(),
		v.Publish(job.ReplySubject(victim.Key.Public().ID(), w.admin.Public().ID(), "J"), []byte("real reply"))); err != nil {
		t.Fatal(err)
	}
	if m, err := jobs.NextMsg(patience); err != nil || string(m.Data) != "real job" {
		t.Errorf("the victim heard %v, %v", m, err)
	}
	if m, err := replies.NextMsg(patience); err != nil || string(m.Data) != "real reply" {
		t.Errorf("the admin heard %v, %v", m, err)
	}
}

// A peer may answer what it was asked, once, and nothing else.
func TestAPeerAnswersOnceEachRequest(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	peer := w.connect(b, w.nodeTLS(w.node(identity.Peer)))
	second := make(chan error, 1)
	_, err := peer.Subscribe(job.MembersSubject, func(m *nats.Msg) {
		m.Respond([]byte("first"))
		m.Respond([]byte("second"))
		second <- errors.Join(peer.Flush(), peer.LastError())
	})
	if err := errors.Join(err, peer.Flush()); err != nil {
		t.Fatal(err)
	}
	id := w.admin.Public().ID()
	a := w.connect(b, w.adminTLS(w.admin), nats.CustomInboxPrefix(job.Inbox(id)))
	m, err := a.Request(job.MembersSubject, nil, patience)
	if err != nil || string(m.Data) != "first" {
		t.Fatalf("%v, %v", m, err)
	}
	if err := <-second; err == nil {
		t.Error("a second answer to one request was taken")
	}
}
