package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wire"
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

func openDocuments(dir string, root identity.PublicKey[identity.Root], log *slog.Logger) (*gossip.Store, error) {
	return gossip.OpenStore(dir, func(raw []byte) (gossip.Ref, error) {
		ref, err := identity.VerifyDocument(root, raw)
		return gossip.Ref(ref), err
	}, log)
}

// fetch gets documents that somebody claims to have newer. Whoever answers is not trusted: Put verifies.
func (n *Node) fetch(ctx context.Context, refs []gossip.Ref) {
	for _, ref := range refs {
		raw, err := n.fetchOne(ctx, ref)
		if err == nil {
			err = n.keep(raw)
		}
		if err != nil && !errors.Is(err, gossip.ErrOlder) && ctx.Err() == nil {
			n.log.Warn("document not fetched; the next exchange tries again", logkey.Document, fmt.Sprintf("%s/%s %d", ref.Kind, ref.Name, ref.Version), logkey.Error, err)
		}
	}
}

func (n *Node) fetchOne(ctx context.Context, ref gossip.Ref) ([]byte, error) {
	question, err := wire.Marshal(job.DocumentQuery{Kind: ref.Kind, Name: ref.Name, Version: ref.Version})
	if err != nil {
		return nil, err
	}
	return n.mesh.Request(ctx, job.DocGetSubject, question)
}

// keep stores a document, from wherever it came, and acts on it.
func (n *Node) keep(raw []byte) error {
	changed, err := n.docs.Put(raw)
	if err != nil || !changed {
		return err
	}
	return n.use(raw)
}

// use acts on a document that is new here.
func (n *Node) use(raw []byte) error {
	ref, err := identity.VerifyDocument(n.me.Root, raw)
	if err == nil && ref.Kind == identity.RosterKind {
		err = n.useRoster()
	}
	return errors.Join(err, n.useKeys())
}

// useRoster makes the newest roster the one in force, here and for the connections of this node's broker.
func (n *Node) useRoster() error {
	n.force.Lock() // or the slower of two could put the older one back
	defer n.force.Unlock()
	raw, _, ok := n.docs.Get(identity.RosterKind, identity.RosterKind)
	if !ok {
		return errors.New("this node has no roster; admit the host again with a new token")
	}
	r, err := identity.OpenRoster(n.me.Root, raw)
	if err != nil {
		return err
	}
	if old := n.roster.Swap(&r); old != nil && old.Version != r.Version {
		n.auditRoster()
	}
	n.log.Info("roster in force", logkey.Version, r.Version, logkey.Admins, len(r.Admins))
	if n.mesh != nil { // not yet, while New reads what is on disk
		n.mesh.RosterChanged()
	}
	return nil
}

// answerDocument hands a document out.
func (n *Node) answerDocument(r mesh.Request) []byte {
	var q job.DocumentQuery
	if wire.Unmarshal(r.Data, &q) != nil {
		return nil
	}
	if raw, ref, ok := n.docs.Get(q.Kind, q.Name); ok && ref.Version >= q.Version {
		return raw
	}
	return nil
}

// takeDocument takes a new version from an admin and tells everybody. The answer is empty, or says why not. It goes out
// before the document is acted on: a broker that judges its connections anew forgets who owes whom an answer.
func (n *Node) takeDocument(r mesh.Request) []byte {
	changed, err := n.docs.Put(r.Data)
	if err != nil {
		n.auditDocument(err)
		return []byte(err.Error())
	}
	if err := n.mesh.Publish(job.DocNewSubject, r.Data); err != nil {
		return []byte(err.Error())
	}
	if err := r.Reply(nil); err != nil {
		n.log.Warn("the admin may not know that the document was taken", logkey.Error, err)
	}
	if changed {
		if err := n.use(r.Data); err != nil {
			n.log.Error("cannot put a document in force", logkey.Error, err)
		}
	}
	return nil
}

// hearDocument takes what others announce.
func (n *Node) hearDocument(raw []byte) {
	err := n.keep(raw)
	if err != nil {
		n.auditDocument(err)
	}
	if err != nil && !errors.Is(err, gossip.ErrOlder) {
		n.log.Warn("announced document not taken", logkey.Error, err)
	}
}
