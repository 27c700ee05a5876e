package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/mesh"
)

const gossipKeyPrefix = "fleet-gossip-secret:"

func gossipKeyLine(key []byte) string { return gossipKeyPrefix + hex.EncodeToString(key) }

func parseGossipKey(text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, gossipKeyPrefix)
	key, err := hex.DecodeString(rest)
	if !ok || err != nil || len(key) != 32 {
		return nil, errors.New("not a gossip key")
	}
	return key, nil
}

// compared acts on what another node's documents are: it fetches what is missing here, and offers what that node lacks.
func (n *Node) compared(ctx context.Context, missing, ahead []gossip.Ref) {
	n.fetch(ctx, missing)
	n.offer(ahead)
}

// fetch gets documents that another node claims to have. Whoever answers is not trusted: Put verifies. What vouches for
// others comes first.
func (n *Node) fetch(ctx context.Context, refs []gossip.Ref) {
	slices.SortStableFunc(refs, func(a, b gossip.Ref) int { return cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)) })
	for some := range slices.Chunk(refs, job.MaxDocuments) {
		var q job.DocumentQuery
		for _, r := range some {
			q.Documents = append(q.Documents, job.WantedDocument{Kind: r.Kind, Name: r.Name, Version: r.Version, Hash: r.Hash[:]})
		}
		answer, err := n.ask(ctx, q)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, mesh.ErrNoBroker) {
				n.log.Warn("cannot fetch documents; retrying at the next exchange", logkey.Count, len(refs), logkey.Error, err)
			}
			return
		}
		for _, signed := range answer.Documents {
			if err := n.keep(signed); err != nil {
				n.log.Warn("fetched document rejected, or not saved to disk", logkey.Error, err)
			}
		}
	}
}

func (n *Node) ask(ctx context.Context, q job.DocumentQuery) (job.DocumentAnswer, error) {
	question, err := q.Encode()
	if err != nil {
		return job.DocumentAnswer{}, err
	}
	raw, err := n.mesh.Request(ctx, job.DocGetSubject, question)
	if err != nil {
		return job.DocumentAnswer{}, err
	}
	return job.DecodeDocuments(raw)
}

// kindOrder sorts what vouches for others before them.
func kindOrder(kind string) int {
	switch kind {
	case identity.RootKind:
		return 0
	case identity.RosterKind:
		return 1
	case identity.RevocationKind:
		return 2
	}
	return 3
}

// keep stores a document, from wherever it came, and puts it in force. An older version is no error.
func (n *Node) keep(raw []byte) error {
	changed, err := n.docs.Put(raw)
	if changed {
		err = errors.Join(err, n.settle())
	}
	if outdated(err) {
		return nil
	}
	return err
}

// outdated reports whether a better version is here already. The store has logged what was lost.
func outdated(err error) bool {
	return errors.Is(err, gossip.ErrOlder) || errors.Is(err, gossip.ErrLost)
}

// offers remembers what was offered to brokers' nodes lately, so that it is not sent again with each exchange.
type offers struct {
	mu   sync.Mutex
	sent map[gossip.Hash]time.Time
}

// due reports whether a document was not offered within the last minute, and notes that it is now.
func (o *offers) due(h gossip.Hash, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.sent, func(_ gossip.Hash, at time.Time) bool { return now.Sub(at) >= offerEvery })
	if _, ok := o.sent[h]; ok || len(o.sent) >= maxOffers {
		return false
	}
	if o.sent == nil {
		o.sent = map[gossip.Hash]time.Time{}
	}
	o.sent[h] = now
	return true
}

const (
	// offerEvery is how often a document is offered that a broker's node does not have, and maxOffers how many in that time.
	offerEvery = time.Minute
	maxOffers  = 256
)

// offer gives documents to the brokers' nodes, one of which does not have them: whoever else lacks them asks there.
func (n *Node) offer(refs []gossip.Ref) {
	if n.mesh.Connected() == "" {
		return
	}
	for _, r := range refs {
		raw, ref, ok := n.docs.Get(r.Kind, r.Name)
		if !ok || !n.offers.due(ref.Hash, time.Now()) {
			continue
		}
		if err := n.mesh.Publish(job.DocOfferSubject, raw); err != nil {
			n.log.Warn("document not offered", logkey.Document, ref.String(), logkey.Error, err)
			return
		}
	}
}

// answerDocument hands out the documents asked for, or better versions, as far as they fit into one message.
func (n *Node) answerDocument(r mesh.Request) []byte {
	q, err := job.DecodeDocumentQuery(r.Data)
	if err != nil {
		return nil
	}
	var answer job.DocumentAnswer
	room := job.MaxDocumentAnswer
	for _, w := range q.Documents {
		for _, raw := range n.wanted(w) {
			if room -= len(raw) + 8; room > 0 {
				answer.Documents = append(answer.Documents, raw)
			} else {
				answer.More = true
			}
		}
	}
	raw, err := answer.Encode()
	if err != nil {
		n.log.Error("documents not handed out", logkey.Error, err)
	}
	return raw
}

func (n *Node) wanted(w job.WantedDocument) [][]byte {
	if w.Name == "" {
		return n.docs.All(w.Kind)
	}
	raw, ref, ok := n.docs.Get(w.Kind, w.Name)
	least := gossip.Ref{Version: w.Version}
	copy(least.Hash[:], w.Hash)
	if !ok || least.Beats(ref) {
		return nil
	}
	return [][]byte{raw}
}

// takeDocument takes a new version from an admin and tells all nodes. The answer is empty, or says why not. It is sent
// before the document is put in force: a broker that judges its connections again forgets who is owed an answer.
func (n *Node) takeDocument(r mesh.Request) []byte {
	changed, err := n.docs.Put(r.Data)
	if err != nil && !errors.Is(err, gossip.ErrUnsaved) {
		n.auditDocument(err)
		return []byte(err.Error())
	}
	var trouble []byte
	if err != nil {
		trouble = []byte(err.Error())
	}
	if err := n.mesh.Publish(job.DocNewSubject, r.Data); err != nil {
		return []byte(err.Error())
	}
	if err := r.Reply(trouble); err != nil {
		n.log.Warn("the admin may not know that the document was taken", logkey.Error, err)
	}
	if changed {
		n.settle() // it logs what is wrong
	}
	return nil
}

// hearOffer takes a document that another node has and a broker's node lacks. Only news is passed on.
func (n *Node) hearOffer(raw []byte) {
	changed, err := n.docs.Put(raw)
	if !changed {
		if err != nil {
			n.auditDocument(err)
		}
		return
	}
	if err := n.mesh.Publish(job.DocNewSubject, raw); err != nil {
		n.log.Warn("other nodes hear of a document later", logkey.Error, err)
	}
	n.settle()
}

// hearDocument takes what others announce.
func (n *Node) hearDocument(raw []byte) {
	changed, err := n.docs.Put(raw)
	if changed {
		n.settle() // it logs what is wrong
	}
	if err == nil {
		return
	}
	n.auditDocument(err)
	if !outdated(err) {
		n.log.Warn("announced document rejected, or not saved to disk", logkey.Error, err)
	}
}
