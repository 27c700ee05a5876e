package mesh

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/internal/logkey"
	"fleet/job"
)

// Request is a question that came over the mesh.
type Request struct {
	Data []byte
	m    *nats.Msg
	nc   *nats.Conn
}

// Reply answers before the handler returns, which must return nil then. It blocks until the broker has the answer, a few seconds at
// most.
func (r Request) Reply(answer []byte) error {
	return errors.Join(r.m.Respond(answer), r.nc.FlushTimeout(RequestTimeout))
}

// listen subscribes to what every node hears, and returns the subscriptions to jobs. What comes waits until the connection is taken,
// so that what answers it has one to send over. It blocks until the broker knows them, or ctx ends.
func (m *Mesh) listen(ctx context.Context, n *line) (jobs []*nats.Subscription, err error) {
	hear := func(subject string, f func(*nats.Msg)) *nats.Subscription {
		s, failed := n.nc.Subscribe(subject, func(msg *nats.Msg) {
			select {
			case <-n.taken:
				f(msg)
			case <-ctx.Done(): // it never will be
			}
		})
		err = errors.Join(err, failed)
		return s
	}
	for _, subject := range []string{job.AllSubject, job.NodeSubject(m.self)} {
		jobs = append(jobs, hear(subject, func(msg *nats.Msg) { m.config.Jobs(msg.Data) }))
	}
	hear(job.NodeProbeSubject(m.self), m.hearProbe)
	for subject, f := range m.config.Hear {
		hear(subject, func(msg *nats.Msg) { f(msg.Data) })
	}
	if c := m.connections; c != nil {
		hear(job.PresenceSubject("*"), m.hearPresence)
		hear(job.LeaveSubject("*"), func(msg *nats.Msg) { c.Leave(time.Now(), lastToken(msg.Subject)) })
	}
	if m.gossip == nil {
		hear(job.MeshNewSubject, func(msg *nats.Msg) { m.takeMesh(m.living, msg.Data) })
	}
	known, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return jobs, errors.Join(err, n.nc.FlushWithContext(known))
}

// serve begins to answer what nodes with a broker answer, all of it or nothing; what fails is tried again with the next turn of the
// loop. What they missed others told them, so their view is whole.
func (l *loop) serve() {
	var failed error
	add := func(s *nats.Subscription, err error) {
		if err == nil {
			err = s.SetPendingLimits(queueOf(s.Subject), maxQuestionBytes)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		l.serving = append(l.serving, s)
	}
	nc := l.line.nc
	answer := func(subject string, f func(Request) []byte) {
		add(nc.QueueSubscribe(subject, "brokers", func(m *nats.Msg) {
			// A peer may answer anywhere, so it must not be talked into answering on a subject that means something.
			if !strings.HasPrefix(m.Reply, "_INBOX.") {
				return
			}
			if raw := f(Request{m.Data, m, nc}); raw != nil {
				m.Respond(raw)
			}
		}))
	}
	answer(job.MembersSubject, func(r Request) []byte { return l.m.answerMembers(r.Data) })
	answer(job.ProbeSubject, l.m.answerProbe)
	answer(job.MeshSubject, func(Request) []byte { return l.m.answerMesh() })
	for subject, f := range l.m.config.Serve {
		answer(subject, f)
	}
	for subject, f := range l.m.config.Share {
		add(nc.Subscribe(subject, func(m *nats.Msg) { f(m.Data) }))
	}
	if failed != nil {
		l.m.log.Error("cannot subscribe to requests for the mesh yet; retrying", logkey.Error, failed)
		l.stopServing()
		return
	}
	l.m.shown.serves.Store(true)
}

// queueOf is how many questions of that kind may wait.
func queueOf(subject string) int {
	if subject == job.JoinSubject("*") {
		return maxAdmissions
	}
	return maxQuestions
}

// stopServing ends the services. Those of a connection that drains or is closed end by themselves, and are only forgotten.
func (l *loop) stopServing() {
	for _, s := range l.serving {
		s.Unsubscribe()
	}
	l.forgetServing()
}

func (l *loop) forgetServing() {
	l.serving = nil
	l.m.shown.serves.Store(false)
}
