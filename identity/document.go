package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"fleet/internal/wire"
)

// Document is what the signature of a replicated document covers. Body is decoded by the kind's own code once the
// signature holds.
type Document struct {
	Kind    string    `cbor:"1,keyasint"`
	Name    string    `cbor:"2,keyasint"`
	Version uint64    `cbor:"3,keyasint"`
	Issued  time.Time `cbor:"4,keyasint"`
	Body    []byte    `cbor:"5,keyasint,omitempty"`
	// History says which versions came before this one.
	History History `cbor:"6,keyasint,omitzero"`
	// Signer is the admin whose key signed it; "" is the root key.
	Signer ID `cbor:"7,keyasint,omitempty"`
	// By is the name of the admin who made it, as he says himself; for people.
	By string `cbor:"8,keyasint,omitempty"`
	// Until is when every node drops it; zero is never. What an admin signed must have one, at most MaxDocumentLife ahead. The
	// versions of a document must not end before those that they replace.
	Until time.Time `cbor:"9,keyasint,omitzero"`
	// Ended says that there is nothing in force any more: it replaces earlier versions until they would have ended.
	Ended bool `cbor:"10,keyasint,omitempty"`
}

// History is how a version tells which others it was made from: the first HistoryStep bytes of the hash of each, one after
// the other.
type History struct {
	// Before are the versions before this one, without a gap, the newest first.
	Before []byte `cbor:"1,keyasint,omitempty"`
	// Merged are versions that had lost to others and were made again in this one or before, with all that was in them.
	Merged []byte `cbor:"2,keyasint,omitempty"`
}

// HistoryStep is how many bytes of a version's hash a History has.
const HistoryStep = 16

// Hash is the SHA-256 of a signed document.
type Hash [sha256.Size]byte

// HashOf returns the hash of a document as it was signed.
func HashOf(signed []byte) Hash { return sha256.Sum256(signed) }

// Short is the beginning of the hash, for people.
func (h Hash) Short() string { return hex.EncodeToString(h[:4]) }

// after is the history of the version that follows the one with this hash and history.
func (h History) after(hash Hash) History {
	return History{Before: firstSteps(hash[:HistoryStep], h.Before), Merged: h.Merged}
}

// merging is the history of a version in which another one, with that hash and history, was made again.
func (h History) merging(hash Hash, lost History) History {
	return History{Before: h.Before, Merged: firstSteps(hash[:HistoryStep], lost.Merged, lost.Before, h.Merged)}
}

// has reports whether the version with that hash is one of those before, or was merged.
func (h History) has(hash Hash) bool {
	for _, list := range [][]byte{h.Before, h.Merged} {
		for at := 0; at+HistoryStep <= len(list); at += HistoryStep {
			if bytes.Equal(list[at:at+HistoryStep], hash[:HistoryStep]) {
				return true
			}
		}
	}
	return false
}

func firstSteps(lists ...[]byte) []byte {
	all := bytes.Join(lists, nil)
	return all[:min(len(all), MaxHistory*HistoryStep)]
}

// Signers finds the key of an admin who is, or was, in a roster of this fleet.
type Signers func(ID) (PublicKey[Admin], bool)

// VerifyDocument reads a replicated document of any kind and says what it is, or why it is not genuine. Genuine is what
// the root signed or vouches for, a root that follows this one, and what a key signed that was an admin's at some time:
// whether it is in force is another question, see Roster.Authorises. The kinds known here only the root signs; others are for whoever knows them.
func VerifyDocument(root Authority, known Signers, raw []byte, now time.Time) (Document, error) {
	if isRoot(raw) {
		next, err := root.Follow(raw)
		return Document{Kind: RootKind, Name: RootKind, Version: next.Version()}, err
	}
	d, err := openDocument(root, known, raw)
	if err != nil {
		return Document{}, fmt.Errorf("document: %w", err)
	}
	switch d.Kind {
	case RosterKind:
		_, err = OpenRoster(root, raw)
	case RotationKind:
		_, err = OpenRotation(root, raw)
	case RevocationKind:
		_, err = OpenRevocations(root, raw)
	default:
		if d.Signer != "" && d.Until.After(now.Add(MaxDocumentLife+backdate)) {
			err = fmt.Errorf("document %s/%s ends in more than %d days", d.Kind, d.Name, MaxDocumentLife/(24*time.Hour))
		}
	}
	if err != nil {
		return Document{}, err
	}
	return d, nil
}

// SignDocument makes a document of a kind that is not known here, signed by an admin. Signer and Issued are filled in.
func SignDocument(admin Signer, d Document, now time.Time) ([]byte, error) {
	d.Signer, d.Issued = admin.Public().ID(), now.Truncate(time.Second)
	raw, err := d.encode()
	if err != nil {
		return nil, err
	}
	return SignAdmin(admin, DocumentContext, raw)
}

// signDocument makes a document that the root signs. Issued is filled in.
func signDocument(root Quorum, d Document, body any, now time.Time) (signed []byte, err error) {
	raw, err := d.toSign(body, now)
	if err != nil {
		return nil, err
	}
	return root.Sign(raw)
}

// toSign is what the root's keys sign of a document with this body. Issued is filled in.
func (d Document) toSign(body any, now time.Time) (raw []byte, err error) {
	if d.Body, err = wire.Marshal(body); err != nil {
		return nil, err
	}
	d.Issued = now.Truncate(time.Second)
	return d.encode()
}

func (d Document) encode() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	raw, err := wire.Marshal(d)
	if err == nil && len(raw) > MaxDocument-maxSignatures {
		err = fmt.Errorf("the %s has %d bytes; the limit for a document is %d", d.Kind, len(raw)+maxSignatures, MaxDocument)
	}
	return raw, err
}

// openDocument verifies that the root, or an admin that is known, signed a document. known may be nil: the root only.
func openDocument(root Authority, known Signers, raw []byte) (Document, error) {
	if len(raw) > MaxDocument {
		return Document{}, fmt.Errorf("%d bytes, at most %d are allowed", len(raw), MaxDocument)
	}
	body, err := root.open(raw)
	if errors.Is(err, errNotRooted) && known != nil {
		if d, byAdmin := openAdmins(known, raw); !errors.Is(byAdmin, errNoSigner) {
			return d, byAdmin
		}
	}
	if err != nil {
		return Document{}, err
	}
	return decodeRooted(body)
}

// decodeRooted reads what the root's keys sign, whether or not they did.
func decodeRooted(body []byte) (d Document, err error) {
	err = wire.Unmarshal(body, &d)
	if err == nil && d.Signer != "" {
		err = fmt.Errorf("it is for the root to sign, and names %s", d.Signer)
	}
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return Document{}, err
	}
	return d, nil
}

var errNoSigner = errors.New("it names no admin as its signer")

// openAdmins is openDocument for what the root did not sign.
func openAdmins(known Signers, raw []byte) (d Document, err error) {
	_, body, err := Split(raw)
	if err == nil {
		err = wire.Unmarshal(body, &d)
	}
	if err != nil {
		return Document{}, err
	}
	if d.Signer == "" {
		return Document{}, errNoSigner
	}
	key, ok := known(d.Signer)
	if !ok {
		return Document{}, fmt.Errorf("its signer %q is not and was not an admin, as far as is known here", d.Signer)
	}
	if _, err := key.Open(DocumentContext, raw); err != nil {
		return Document{}, err
	}
	return d, d.check()
}

func (d Document) check() error {
	rooted := d.Kind == RosterKind || d.Kind == RotationKind || d.Kind == RevocationKind
	switch {
	case d.Kind == RootKind:
		return errors.New("a root is not in such a document")
	case d.Version == 0:
		return fmt.Errorf("document %s/%s has no version", d.Kind, d.Name)
	case rooted && (d.Signer != "" || d.Ended):
		return fmt.Errorf("a %s is signed by the root key only, and does not end", d.Kind)
	case d.Signer != "" && (!d.Signer.Valid() || d.Until.IsZero()):
		return fmt.Errorf("document %s/%s of an admin does not say when it ends", d.Kind, d.Name)
	case d.Ended && len(d.Body) > 0:
		return fmt.Errorf("document %s/%s has ended and still says something", d.Kind, d.Name)
	case len(d.By) > maxLabel || !printable(d.By):
		return fmt.Errorf("document %s/%s was made by somebody whose name cannot be shown", d.Kind, d.Name)
	}
	for _, list := range [][]byte{d.History.Before, d.History.Merged} {
		if len(list)%HistoryStep != 0 || len(list) > MaxHistory*HistoryStep {
			return errors.New("the history of a document is cut off or too long")
		}
	}
	return nil
}
