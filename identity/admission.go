package identity

import (
	"errors"
	"fmt"
	"time"

	"fleet/internal/wire"
)

// JoinRequest is what a new host sends to be admitted. It is signed by the host's new key, which proves that the host
// holds it, and then by the token's key, which proves the token for exactly this request.
type JoinRequest struct {
	Record  []byte          `cbor:"1,keyasint"` // the token's signed record
	Key     PublicKey[Node] `cbor:"2,keyasint"`
	Name    string          `cbor:"3,keyasint"`
	Time    time.Time       `cbor:"4,keyasint"` // the host's clock
	SealTo  []byte          `cbor:"5,keyasint"` // one-time X25519 key: only this host can open the answer
	Sealing []byte          `cbor:"6,keyasint"` // X25519 key of the host, for its certificate
}

// Admission is all that makes a host a node of the fleet.
type Admission struct {
	Chain     Chain    `cbor:"1,keyasint"`
	Documents [][]byte `cbor:"2,keyasint"` // signed: the roster, then revocations
	GossipKey []byte   `cbor:"3,keyasint"`
	Gossip    []string `cbor:"4,keyasint"`           // host:port of nodes to join
	Brokers   []string `cbor:"5,keyasint"`           // host:port of brokers
	Issuing   []byte   `cbor:"6,keyasint,omitempty"` // peers only: the issuing key, as its file holds it
}

// JoinAnswer is a refusal in plain words, or an Admission sealed to the request's one-time key.
type JoinAnswer struct {
	Refused string `cbor:"1,keyasint,omitempty"`
	Sealed  []byte `cbor:"2,keyasint,omitempty"`
}

// RenewRequest asks for a fresh certificate with the same name, role and labels. It is signed by the node's key.
type RenewRequest struct {
	Chain Chain     `cbor:"1,keyasint"`
	Time  time.Time `cbor:"2,keyasint"`
}

// SignRenewal makes the request of the node that holds c.
func SignRenewal(c Credentials, now time.Time) ([]byte, error) {
	raw, err := wire.Marshal(RenewRequest{Chain: c.Chain, Time: now.Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	return c.Key.Sign(RenewContext, raw), nil
}

// OpenRenewal verifies a request: its chain holds now, and its leaf's key signed it. It says who asks.
func OpenRenewal(root PublicKey[Root], raw []byte, now time.Time) (NodeIdentity, error) {
	_, body, err := Split(raw)
	if err != nil {
		return NodeIdentity{}, err
	}
	var req RenewRequest
	if len(raw) > maxJoin {
		return NodeIdentity{}, fmt.Errorf("request is %d bytes long, at most %d are allowed", len(raw), maxJoin)
	}
	if err := wire.Unmarshal(body, &req); err != nil {
		return NodeIdentity{}, err
	}
	id, err := VerifyChain(root, req.Chain, now)
	if err != nil {
		return NodeIdentity{}, err
	}
	if _, err := id.Key.Open(RenewContext, raw); err != nil {
		return NodeIdentity{}, err
	}
	return id, nil
}

// Joiner is a host's side of one admission: the request as sent and the key that opens the answer.
type Joiner struct {
	Request []byte
	open    SealKey
}

const admissionInfo = "fleet admission v1"

// NewJoiner makes the request for a host of these keys and this name.
func NewJoiner(t Token, key PrivateKey[Node], seal SealKey, name string, now time.Time) (Joiner, error) {
	open := NewSealKey()
	raw, err := wire.Marshal(JoinRequest{
		Record: t.Signed, Key: key.Public(), Name: name, Time: now.Truncate(time.Second), SealTo: open.Public(), Sealing: seal.Public(),
	})
	if err != nil {
		return Joiner{}, err
	}
	return Joiner{Request: t.Secret.Sign(JoinContext, key.Sign(JoinContext, raw)), open: open}, nil
}

// OpenJoinRequest verifies a request with the roster. The record still has to be Usable and the name free.
func OpenJoinRequest(fleet FleetID, roster Roster, raw []byte) (JoinRequest, Record, error) {
	var req JoinRequest
	if len(raw) > maxJoin {
		return req, Record{}, fmt.Errorf("request is %d bytes long, at most %d are allowed", len(raw), maxJoin)
	}
	_, inner, err := Split(raw)
	if err != nil {
		return req, Record{}, err
	}
	_, body, err := Split(inner)
	if err != nil {
		return req, Record{}, err
	}
	if err := wire.Unmarshal(body, &req); err != nil {
		return JoinRequest{}, Record{}, err
	}
	record, err := OpenRecord(fleet, roster, req.Record)
	if err != nil {
		return JoinRequest{}, Record{}, err
	}
	if _, err := record.Key.Open(JoinContext, raw); err != nil {
		return JoinRequest{}, Record{}, fmt.Errorf("the token's signature is not valid: %w", err)
	}
	if _, err := req.Key.Open(JoinContext, inner); err != nil {
		return JoinRequest{}, Record{}, fmt.Errorf("the host key's signature is not valid: %w", err)
	}
	return req, record, CheckHostName(req.Name)
}

// Seal makes the answer to a request; only the host that made the request can open it.
func (r JoinRequest) Seal(a Admission) ([]byte, error) {
	plain, err := wire.Marshal(a)
	if err != nil {
		return nil, err
	}
	sealed, err := Seal(r.SealTo, admissionInfo, plain)
	if err != nil {
		return nil, err
	}
	return wire.Marshal(JoinAnswer{Sealed: sealed})
}

// Refuse makes the answer that says why not.
func Refuse(reason string) []byte {
	raw, err := wire.Marshal(JoinAnswer{Refused: reason})
	if err != nil {
		panic(err) // only invalid UTF-8 could fail, and the reader refuses that
	}
	return raw
}

// ErrRefused is wrapped by Open when the fleet answered and said no: asking again will not help.
var ErrRefused = errors.New("the fleet refused to admit this host")

// Open reads the answer. The caller verifies the chain and the documents in it against the pinned root.
func (j Joiner) Open(raw []byte) (Admission, error) {
	var answer JoinAnswer
	var a Admission
	if len(raw) > maxJoinAnswer {
		return a, fmt.Errorf("answer is %d bytes long, at most %d are allowed", len(raw), maxJoinAnswer)
	}
	if err := wire.Unmarshal(raw, &answer); err != nil {
		return a, fmt.Errorf("answer: %w", err)
	}
	if answer.Refused != "" {
		return a, fmt.Errorf("%w: %s", ErrRefused, answer.Refused)
	}
	plain, err := j.open.Open(admissionInfo, answer.Sealed)
	if err != nil {
		return a, fmt.Errorf("answer: %w", err)
	}
	if err := wire.Unmarshal(plain, &a); err != nil {
		return Admission{}, fmt.Errorf("answer: %w", err)
	}
	return a, nil
}
