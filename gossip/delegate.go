package gossip

import (
	"bytes"

	"github.com/hashicorp/memberlist"

	"fleet/internal/logkey"
)

// delegate is the face that Gossip shows to memberlist. memberlist calls all of it from its own goroutines, the events
// while it holds its lock; so nothing here blocks or calls back.
type delegate struct{ g *Gossip }

func (d delegate) NotifyAlive(n *memberlist.Node) error { return d.g.table.admit(n) }
func (d delegate) NotifyJoin(n *memberlist.Node)        { d.g.gate.pass(func() { d.g.table.heard(n) }) }
func (d delegate) NotifyUpdate(n *memberlist.Node)      { d.g.gate.pass(func() { d.g.table.heard(n) }) }
func (d delegate) NotifyLeave(n *memberlist.Node)       { d.g.gate.pass(func() { d.g.table.gone(n) }) }

func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	d.g.gate.pass(func() { d.g.table.conflict(existing, other) })
}

// NodeMeta is asked at the start, at each change and at the end.
func (d delegate) NodeMeta(limit int) []byte { return d.g.meta() }

// LocalState and MergeRemoteState are both halves of a push/pull.
func (d delegate) LocalState(bool) []byte {
	s := state{from: d.g.cfg.Self.ID, gone: d.g.table.goneMembers()}
	if d.g.cfg.Docs != nil {
		s.digest = d.g.cfg.Docs.Digest()
	}
	return s.encode()
}

func (d delegate) MergeRemoteState(b []byte, _ bool) {
	d.g.gate.pass(func() { d.merge(b) })
}

func (d delegate) merge(b []byte) {
	log := d.g.cfg.Log
	s, err := decodeState(b)
	if err != nil {
		log.Warn("ignored state from another node", logkey.Error, err)
		return
	}
	d.g.table.learn(s.gone)
	if d.g.cfg.Docs == nil || len(s.digest) == 0 {
		return
	}
	missing, ahead, err := d.g.cfg.Docs.Compare(s.digest)
	if err != nil {
		log.Warn("ignored a digest from another node", logkey.Node, s.from, logkey.Error, err)
		return
	}
	if from, known := d.g.table.get(s.from); !known || !from.Broker {
		ahead = nil // whoever lacks something asks those with a broker for it
	}
	if len(missing)+len(ahead) == 0 {
		return
	}
	select {
	case d.g.differ <- difference{missing, ahead}:
	default: // the next push/pull finds them again
	}
}

// NotifyMsg gets challenges and answers; see ask.go. The bytes belong to memberlist.
func (d delegate) NotifyMsg(b []byte) {
	if len(b) > maxUserMessage {
		return
	}
	select {
	case d.g.messages <- bytes.Clone(b):
	default: // whoever asks does so several times
	}
}

func (d delegate) GetBroadcasts(overhead, limit int) [][]byte { return nil }
