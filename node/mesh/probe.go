package mesh

import (
	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// maxProbing is how many probes one peer has under way; each takes half a second at most and sends job.MaxProbe packets.
const maxProbing = 8

// hearProbe answers an admin who asks whether this node is there. It runs on a goroutine of its own, beside all jobs, so a
// node answers however busy it is.
func (m *Mesh) hearProbe(msg *nats.Msg) {
	admin := identity.ID(msg.Data)
	if !admin.Valid() {
		return
	}
	if err := m.Publish(job.ProbedSubject(m.self, admin), nil); err != nil {
		m.log.Warn("cannot answer a probe", logkey.Key, admin, logkey.Error, err)
	}
}

// answerProbe asks other hosts whether they are there and answers with what came back, beside other questions. With
// maxProbing under way it does not answer: another node may, and whoever asked asks again.
func (m *Mesh) answerProbe(r Request) []byte {
	p, err := job.DecodeProbe(r.Data)
	if err != nil {
		m.log.Warn("ignored an invalid probe", logkey.Error, err)
		return nil
	}
	select {
	case m.probing <- struct{}{}:
	default:
		return nil
	}
	go func() {
		defer func() { <-m.probing }()
		answered, silent := m.gossip.Reach(texts(p.Nodes))
		raw, err := job.Probed{Answered: ids(answered), Silent: ids(silent)}.Encode()
		if err == nil {
			err = r.m.Respond(raw)
		}
		if err != nil {
			m.log.Warn("cannot answer a probe of other hosts", logkey.Error, err)
		}
	}()
	return nil
}

func texts(ids []identity.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = string(id)
	}
	return list
}

func ids(texts []string) []identity.ID {
	list := make([]identity.ID, len(texts))
	for i, text := range texts {
		list[i] = identity.ID(text)
	}
	return list
}
