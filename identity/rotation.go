package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleet/internal/wire"
)

// RotationKind is the kind of documents that carry new shared keys to the nodes that may have them.
const RotationKind = "rotation"

// GossipID names a gossip key without telling anything of it.
func GossipID(key []byte) ID {
	sum := sha256.Sum256(append([]byte("fleet gossip key\x00"), key...))
	return ID(strings.ToLower(idEncoding.EncodeToString(sum[:16])))
}

// Secrets are the shared keys that a rotation brings.
type Secrets struct {
	Gossip  []byte `cbor:"1,keyasint"`
	Issuing string `cbor:"2,keyasint,omitempty"` // as PrivateKey.Secret writes it; peers only
}

// Rotation is one of the root-signed documents by which an admin replaces the shared keys. What it carries is in force
// only when Roster.Keys says so. The nodes named in it are those that were live and that the admin saw: only they are
// given certificates by the new issuing key for certificates by the old one.
type Rotation struct {
	Version uint64        `cbor:"-"` // the document's: the time it was made, in Unix milliseconds
	Part    int           `cbor:"-"` // a large fleet needs several
	Keys    Keys          `cbor:"1,keyasint"`
	Issuing []byte        `cbor:"2,keyasint"` // the new issuing key's certificate, DER
	Sealed  map[ID][]byte `cbor:"3,keyasint"` // by node: Secrets, sealed to its key
}

const rotationInfo = "fleet rotation v1 "

// SealTo adds a node. A member is not given the issuing key.
func (r *Rotation) SealTo(n NodeIdentity, s Secrets) error {
	if n.Role != Peer {
		s.Issuing = ""
	}
	plain, err := wire.Marshal(s)
	if err != nil {
		return err
	}
	sealed, err := Seal(n.Seal, rotationInfo+string(n.ID), plain)
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	if r.Sealed == nil {
		r.Sealed = map[ID][]byte{}
	}
	r.Sealed[n.ID] = sealed
	return nil
}

// OpenFor returns what a rotation brings to the node with this id and sealing key, and whether it brings anything. It
// checks that the keys are those that the rotation names.
func (r Rotation) OpenFor(id ID, key SealKey) (gossip []byte, issuer Issuer, found bool, err error) {
	sealed, found := r.Sealed[id]
	if !found {
		return nil, Issuer{}, false, nil
	}
	plain, err := key.Open(rotationInfo+string(id), sealed)
	if err != nil {
		return nil, Issuer{}, true, err
	}
	var s Secrets
	if err := wire.Unmarshal(plain, &s); err != nil {
		return nil, Issuer{}, true, fmt.Errorf("rotation: %w", err)
	}
	if len(s.Gossip) != gossipKeySize || GossipID(s.Gossip) != r.Keys.Gossip {
		return nil, Issuer{}, true, errors.New("rotation: the gossip key does not match its id")
	}
	if s.Issuing == "" {
		return s.Gossip, Issuer{}, true, nil
	}
	issuer.Certificate = r.Issuing
	if issuer.Key, err = ParseSecret[Issuing](s.Issuing); err != nil {
		return nil, Issuer{}, true, err
	}
	if issuer.Key.Public().ID() != r.Keys.Issuing {
		return nil, Issuer{}, true, errors.New("rotation: the issuing key does not match its id")
	}
	return s.Gossip, issuer, true, nil
}

// name is the document's. Two rotations that are made at the same time have documents of their own: whichever keys the
// roster names in the end, the nodes have them.
func (r Rotation) name() string { return fmt.Sprintf("%d.%d", r.Keys.Since, r.Part) }

// SignRotation makes the document. It ends when no certificate by the older issuing key holds any more.
func SignRotation(root Quorum, r Rotation, now time.Time) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	until := now.Add(rotationLife).Truncate(time.Second)
	return signDocument(root, Document{Kind: RotationKind, Name: r.name(), Version: r.Version, Until: until}, r, now)
}

// OpenRotation verifies a rotation with the root's keys.
func OpenRotation(root Authority, raw []byte) (Rotation, error) {
	var r Rotation
	doc, err := openDocument(root, nil, raw)
	if err != nil {
		return r, fmt.Errorf("rotation: %w", err)
	}
	return r, r.fill(doc)
}

func (r *Rotation) fill(doc Document) (err error) {
	if doc.Kind != RotationKind {
		return fmt.Errorf("document is a %s/%s, not a rotation", doc.Kind, doc.Name)
	}
	if err := wire.Unmarshal(doc.Body, r); err != nil {
		return fmt.Errorf("rotation: %w", err)
	}
	r.Version = doc.Version
	_, part, _ := strings.Cut(doc.Name, ".")
	if r.Part, err = strconv.Atoi(part); err != nil || r.name() != doc.Name {
		return fmt.Errorf("rotation: %q is not its time and the number of a part", doc.Name)
	}
	return r.check()
}

func (r Rotation) check() error {
	switch {
	case r.Version == 0 || r.Part < 0 || r.Part >= maxRotations:
		return fmt.Errorf("rotation has no version, or more than %d parts", maxRotations)
	case r.Keys.check() != nil || r.Keys.Gossip == "":
		return errors.New("rotation: the ids of the keys are not valid")
	case len(r.Issuing) == 0 || len(r.Issuing) > maxCertDER:
		return errors.New("rotation: the issuing key has no certificate")
	case len(r.Sealed) > MaxRotated:
		return fmt.Errorf("part of a rotation is for %d nodes, at most %d are allowed", len(r.Sealed), MaxRotated)
	}
	for id := range r.Sealed {
		if !id.Valid() {
			return fmt.Errorf("rotation: %q is not a node id", id)
		}
	}
	return nil
}
