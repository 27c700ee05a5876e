package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/node/audit"
)

// What is stored is in force: settle compares the two, after each new document and every mendEvery, whatever went wrong
// before. The store keeps a document in memory even if the disk refuses it.

// mendEvery is how often what is in force is compared with what is stored, and what is not on disk is written again.
const mendEvery = 30 * time.Second

// signers are those whose documents are kept: the root, and everybody who is or was an admin, as far as documents say that were
// verified here.
type signers struct {
	mu   sync.RWMutex
	root identity.Authority
	keys map[identity.ID]identity.PublicKey[identity.Admin]
}

// authority is the newest root that was verified here.
func (s *signers) authority() identity.Authority {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.root
}

// follow goes by a root from now on that comes after the one that is here. There is no way back.
func (s *signers) follow(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.root.Follow(raw)
	if err == nil {
		s.root = next
	}
	return err
}

func (s *signers) find(id identity.ID) (identity.PublicKey[identity.Admin], bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	key, ok := s.keys[id]
	return key, ok
}

func (s *signers) add(key identity.PublicKey[identity.Admin]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key.ID()] = key
}

// verify says what a document is, for the store.
func (s *signers) verify(raw []byte) (gossip.Facts, error) {
	root := s.authority()
	d, err := identity.VerifyDocument(root, s.find, raw, time.Now())
	if err != nil {
		return gossip.Facts{}, err
	}
	var entries map[string]gossip.Entry
	switch d.Kind {
	case identity.RootKind:
		if err := s.follow(raw); err != nil {
			return gossip.Facts{}, err
		}
	case identity.RosterKind:
		r, err := identity.OpenRoster(root, raw)
		if err != nil {
			return gossip.Facts{}, err
		}
		for _, a := range r.Admins {
			s.add(a.Key)
		}
	case identity.RevocationKind:
		list, err := identity.OpenRevocations(root, raw)
		if err != nil {
			return gossip.Facts{}, err
		}
		for _, r := range list {
			if !r.Key.IsZero() {
				s.add(r.Key)
			}
		}
		entries = entriesOf(list)
	}
	return gossip.Facts{
		Entries: entries,
		Kind:    d.Kind, Name: d.Name, Version: d.Version, Lineage: d.History.Before, Merged: d.History.Merged,
		Signer: string(d.Signer), Until: d.Until, Ended: d.Ended,
	}, nil
}

// entriesOf is what revocations say, for the store: it drops those of which another document says as much.
func entriesOf(list []identity.Revocation) map[string]gossip.Entry {
	entries := make(map[string]gossip.Entry, len(list))
	for _, r := range list {
		e := gossip.Entry{Until: r.Until}
		if r.Hosts {
			e.Level = 1
		}
		entries[string(r.ID)] = e
	}
	return entries
}

// openDocuments opens what is stored, which has the root itself afterwards, for those who ask for it.
func openDocuments(dir string, root identity.Authority, log *slog.Logger) (*gossip.Store, *signers, error) {
	s := &signers{root: root, keys: map[identity.ID]identity.PublicKey[identity.Admin]{}}
	docs, err := gossip.OpenStore(dir, s.verify, log)
	if err != nil {
		return nil, nil, err
	}
	if _, err := docs.Put(root.Raw()); err != nil && !outdated(err) && !errors.Is(err, gossip.ErrUnsaved) {
		return nil, nil, fmt.Errorf("the fleet's root: %w", err)
	}
	return docs, s, nil
}

// documentsLoop keeps what is stored in force, and on disk, until ctx ends.
func (n *Node) documentsLoop(ctx context.Context) {
	for wait.For(ctx, mendEvery) == nil {
		n.noteDocuments(errors.Join(n.docs.Mend(), n.settle()))
	}
}

// settle puts in force what is stored.
func (n *Node) settle() error {
	n.force.Lock()
	defer n.force.Unlock()
	err := errors.Join(n.useRoot(), n.useRoster())
	if err == nil {
		err = n.useKeys()
	}
	n.noteDocuments(err)
	return err
}

// noteDocuments keeps what is wrong with the documents for those who ask, and logs it once.
func (n *Node) noteDocuments(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if old := n.amiss.Swap(&text); old != nil && *old == text {
		return
	}
	if err != nil {
		n.log.Error("cannot store or apply the signed documents; retrying", logkey.Retry, mendEvery, logkey.Error, err)
	}
}

// useRoot makes the newest root the one that this node starts with from now on, and drops what only an older one signed. The caller
// holds force.
func (n *Node) useRoot() error {
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	root := n.signers.authority()
	m := n.keys.disk
	if root.Version() == m.Authority.Version() {
		return nil
	}
	n.docs.Again()
	says := fmt.Sprintf("root version %d (%s): %d of %d keys sign", root.Version(), root.Anchor().Known.Short(), root.Threshold(), len(root.Keys()))
	n.log.Info("root in force", logkey.Version, root.Version(), logkey.Hash, root.Anchor().Known.Short(), logkey.Keys, len(root.Keys()))
	n.audit.AddDurable(audit.Entry{Event: audit.Roster, Message: says})
	m.Root, m.Authority = root.Anchor(), root
	if err := n.config.Dir.saveNode(m); err != nil {
		return fmt.Errorf("keep the root: %w", err)
	}
	n.keys.disk = m
	return nil
}

// useRoster makes the stored roster, with all revocations, the one in force, here and for the connections of this node's
// broker. The caller holds force.
func (n *Node) useRoster() error {
	next := n.noRoster()
	raw, _, ok := n.docs.Get(identity.RosterKind, identity.RosterKind)
	if ok {
		r, err := identity.OpenRoster(n.signers.authority(), raw)
		if err != nil {
			return err
		}
		next = r
	}
	next.Keys.Coming = n.coming(next.Keys.Since)
	revocations, err := n.revocations()
	next = next.Revoking(revocations)
	old := n.roster.Load()
	if old != nil && old.Hash == next.Hash && old.RevokesSame(next) && slices.Equal(old.Keys.Coming, next.Keys.Coming) {
		return err
	}
	n.roster.Store(&next)
	switch {
	case !ok:
		n.log.Error("this node has no roster and runs no job until it has fetched one; if no other host has it, copy the file roster of an admin's home directory to "+
			identity.RosterKind+","+identity.RosterKind+".doc", logkey.File, n.config.Dir.file(docsDir))
	default:
		n.log.Info("roster in force", logkey.Version, next.Version, logkey.Hash, next.Hash.Short(), logkey.Admins, len(next.Admins))
	}
	if old != nil {
		n.auditRoster(*old)
	}
	if n.mesh != nil { // not yet, while New reads what is on disk
		n.mesh.RosterChanged()
	}
	return err
}

// noRoster is what counts on a node whose roster is lost: nobody is an admin, and nodes are let in whose certificates are
// by the same issuing key as its own.
func (n *Node) noRoster() identity.Roster {
	return identity.Roster{Keys: identity.Keys{Issuing: n.self.Load().Issuer}}
}

// coming are the issuing keys of rotations after the one that brought the keys in force.
func (n *Node) coming(since uint64) (ids []identity.ID) {
	for _, raw := range n.docs.All(identity.RotationKind) {
		if r, err := identity.OpenRotation(n.signers.authority(), raw); err == nil && r.Version > since && !slices.Contains(ids, r.Keys.Issuing) {
			ids = append(ids, r.Keys.Issuing)
		}
	}
	return ids
}

// revocations are those that are stored and have not ended. A document that cannot be read is left out and reported.
func (n *Node) revocations() (list []identity.Revocation, err error) {
	now := time.Now()
	for _, raw := range n.docs.All(identity.RevocationKind) {
		some, err2 := identity.OpenRevocations(n.signers.authority(), raw)
		err = errors.Join(err, err2)
		for _, r := range some {
			if !r.Over(now) {
				list = append(list, r)
			}
		}
	}
	return list, err
}

// documentTrouble is what is wrong with this node's documents, a line each.
func (n *Node) documentTrouble() (list []string) {
	if n.roster.Load().Version == 0 {
		list = append(list, errNoRoster.Error())
	}
	if amiss := n.amiss.Load(); amiss != nil && *amiss != "" {
		list = append(list, "documents: "+*amiss)
	}
	for _, l := range n.docs.Lost() {
		list = append(list, n.lostText(l))
	}
	return list
}

var errNoRoster = errors.New("it has no roster, which was damaged or lost; it runs no job until it has fetched one")

// lostText names a change that lost to a concurrent one.
func (n *Node) lostText(l gossip.Lost) string {
	text := fmt.Sprintf("%s/%s version %d (%s)", l.Kind, l.Name, l.Version, l.Hash.Short())
	if l.Kind == identity.RosterKind {
		if r, err := identity.OpenRoster(n.signers.authority(), l.Raw); err == nil {
			text = fmt.Sprintf("roster version %d (%s), made by %s on %s,", r.Version, r.Hash.Short(), r.By, r.Issued.UTC().Format(time.RFC3339))
		}
	}
	return fmt.Sprintf("%s lost to version %d (%s), made at the same time: its changes are not in force; make them again", text, l.To.Version, l.To.Hash.Short())
}
