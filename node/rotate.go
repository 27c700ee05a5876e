package node

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
)

// The fleet's shared keys, which are gossip's and the one that issues certificates, are replaced by root-signed documents
// (fleet rotate). A Rotation brings new keys, sealed to each node that may have them; Roster.Keys says which are in force.
// useKeys looks at both, whichever changed, and does what follows. It may be called again at any time, also after a crash
// in the middle.

// sharedKeys is what this node holds of them.
type sharedKeys struct {
	gossip   [][]byte             // the first one encrypts, all are accepted
	issuer   identity.Issuer      // in force; zero on members, and on peers that were not given it
	carried  map[identity.ID]bool // nodes that may have a certificate by the issuing key in force for one by an older one
	rotation uint64               // version of the newest rotation that brought this node keys; 0: none
}

// keys are what this node holds of keys that may change while it runs.
type keys struct {
	shared atomic.Pointer[sharedKeys]
	mu     sync.Mutex    // one change after another
	disk   Membership    // as on disk; under mu
	from   string        // the roster and rotations that they are in force by; "" while that is not done; under mu
	renew  chan struct{} // the certificate is by an issuing key that was replaced
}

// open begins with what was on disk when the node started.
func (k *keys) open(m Membership) { k.disk, k.renew = m, make(chan struct{}, 1) }

func (k *keys) gossip() [][]byte { return k.shared.Load().gossip }

// useKeys brings the keys into force that the roster names, unless it has done so for this roster and these rotations.
func (n *Node) useKeys() error {
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	force := n.roster.Load().Keys
	rotations := n.docs.All(identity.RotationKind)
	from := fmt.Sprint(force, identity.HashOf(bytes.Join(rotations, nil)))
	if from == n.keys.from {
		return nil
	}
	n.keys.from = ""
	var next sharedKeys
	next.carried = map[identity.ID]bool{}
	gossip := slices.Clone(n.keys.disk.GossipKeys)
	issuers := []identity.Issuer{{Key: n.keys.disk.Issuing, Certificate: n.keys.disk.Chain.Issuing}}
	var coming [][]byte
	for _, raw := range rotations {
		r, err := identity.OpenRotation(n.signers.authority(), raw)
		if err != nil {
			return err
		}
		if r.Version < force.Since {
			continue
		}
		if r.Keys.Issuing == force.Issuing {
			for id := range r.Sealed {
				next.carried[id] = true
			}
		}
		key, issuer, found, err := r.OpenFor(n.self.Load().ID, n.me.Seal)
		if err != nil {
			n.log.Error("new keys cannot be used", logkey.Error, err)
		}
		if err != nil || !found {
			continue
		}
		next.rotation = max(next.rotation, r.Version)
		if r.Keys.Gossip == force.Gossip {
			gossip = append(gossip, key)
		} else {
			coming = append(coming, key)
		}
		if !issuer.Key.IsZero() {
			issuers = append(issuers, issuer)
		}
	}
	kept := inForce(force, gossip)
	if force.Gossip != "" && identity.GossipID(kept[0]) != force.Gossip {
		n.log.Error("this node does not have the gossip key that is in force; admit the host again with a new token (fleet node --join)")
	}
	next.issuer = issuerInForce(force, issuers)
	next.gossip = unique(append(slices.Clone(kept), coming...))
	n.keys.shared.Store(&next)
	if n.mesh != nil { // not yet, while New reads what is on disk
		if err := n.mesh.SetKeys(next.gossip); err != nil {
			return err
		}
	}
	if err := n.keepKeys(kept); err != nil {
		return err
	}
	n.keys.from = from
	return nil
}

// inForce sorts gossip keys so that the one in force is first, and leaves out those that are not accepted any more. A node
// that lacks the one in force goes on with what it has.
func inForce(force identity.Keys, held [][]byte) [][]byte {
	held = unique(held)
	if force.Gossip == "" {
		return held
	}
	i := slices.IndexFunc(held, func(k []byte) bool { return identity.GossipID(k) == force.Gossip })
	switch {
	case i < 0:
		return held
	case !force.Overlap():
		return [][]byte{held[i]}
	}
	return unique(append([][]byte{held[i]}, held...))
}

func issuerInForce(force identity.Keys, held []identity.Issuer) identity.Issuer {
	for _, i := range held {
		if i.Key.IsZero() || !i.Fits() {
			continue
		}
		if force.Issuing == "" || i.Key.Public().ID() == force.Issuing {
			return i
		}
	}
	return identity.Issuer{}
}

func unique(keys [][]byte) [][]byte {
	var out [][]byte
	for _, k := range keys {
		if !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, k) }) {
			out = append(out, k)
		}
	}
	return out
}

// keepKeys writes down what is in force, so that it outlives the documents. A new issuing key follows the certificate that
// was issued with it (see useChain): on disk they fit, or the documents still have the key.
func (n *Node) keepKeys(gossip [][]byte) error {
	if !slices.EqualFunc(gossip, n.keys.disk.GossipKeys, bytes.Equal) {
		if err := atomicfile.Write(n.config.Dir.file(gossipFile), []byte(gossipKeyText(gossip)+"\n"), 0o600); err != nil {
			return fmt.Errorf("keep the gossip key: %w", err)
		}
		n.keys.disk.GossipKeys = gossip
		n.log.Info("gossip key in force", logkey.Key, identity.GossipID(gossip[0]), logkey.Count, len(gossip))
	}
	if n.outdated() {
		select {
		case n.keys.renew <- struct{}{}:
		default:
		}
	}
	return nil
}

// outdated reports whether this node's certificate is by an issuing key that is not in force any more.
func (n *Node) outdated() bool {
	force := n.roster.Load().Keys
	return force.Issuing != "" && n.self.Load().Issuer != force.Issuing
}

// mayRenew says whose certificate it is, or why a node whose certificate holds gets no fresh one. Across a rotation only those are carried
// that the admin saw: whoever stole the old issuing key can make any number of others.
func (n *Node) mayRenew(old identity.Certificate) (identity.Certified, error) {
	roster := n.roster.Load()
	who, err := roster.Admit(old)
	if err != nil {
		return identity.Certified{}, err
	}
	force := roster.Keys.Issuing
	if force != "" && who.Issuer != force && !n.keys.shared.Load().carried[who.ID] {
		return who, fmt.Errorf("%s was not there when the keys were replaced; admit the host again with a new token (fleet node --join)", who.Name)
	}
	return who, nil
}

var errNoIssuer = errors.New("this peer does not hold the issuing key that is in force")

// issuer is what this peer issues certificates with; zero if it cannot.
func (n *Node) issuer() identity.Issuer { return n.keys.shared.Load().issuer }

// countKeys adds to the node's counters the rotation whose keys it has, and the one by whose issuing key its certificate is:
// fleet rotate goes by both.
func (n *Node) countKeys(stats map[string]int64) map[string]int64 {
	stats = maps.Clone(stats)
	stats["rotation"] = int64(n.keys.shared.Load().rotation)
	stats["certified"] = 0
	if force := n.roster.Load().Keys; n.self.Load().Issuer == force.Issuing {
		stats["certified"] = int64(force.Since)
	}
	return stats
}

// parseGossipKeys reads the file: a key a line, the one in force first.
func parseGossipKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for line := range strings.Lines(text) {
		key, err := parseGossipKey(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no gossip key")
	}
	return keys, nil
}

func gossipKeyText(keys [][]byte) string {
	lines := make([]string, len(keys))
	for i, k := range keys {
		lines[i] = gossipKeyLine(k)
	}
	return strings.Join(lines, "\n")
}
