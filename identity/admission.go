package identity

import (
	"errors"
	"fmt"
	"time"

	"fleet/internal/wire"
)

// JoinRequest is what a new host sends to be admitted: its statement, which its token's key signed. The host's key signs the
// request, so that who only saw a statement can ask for nothing with it.
type JoinRequest struct {
	Statement []byte    `cbor:"1,keyasint"`
	Time      time.Time `cbor:"2,keyasint"` // the host's clock
	SealTo    []byte    `cbor:"3,keyasint"` // one-time X25519 key: only this host can open the answer
}

// Admission is all that makes a host a node of the fleet, beside the documents that it has asked for before.
type Admission struct {
	Chain     Chain    `cbor:"1,keyasint"`
	GossipKey []byte   `cbor:"2,keyasint"`
	Gossip    []string `cbor:"3,keyasint"`           // host:port of nodes to join
	Brokers   []string `cbor:"4,keyasint"`           // host:port of brokers
	Issuing   []byte   `cbor:"5,keyasint,omitempty"` // peers only: the issuing key, as its file holds it
}

// JoinAnswer is a refusal in plain words, or an Admission sealed to the request's one-time key.
type JoinAnswer struct {
	Refused string `cbor:"1,keyasint,omitempty"`
	Sealed  []byte `cbor:"2,keyasint,omitempty"`
}

// RenewRequest asks for a fresh certificate for the statement in this one, which still holds. It is signed by the node's key.
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

// OpenRenewal verifies a request: its chain holds now, and its leaf's key signed it. It returns the statement for which a
// certificate is wanted, and what the old one says; whether the host is still welcome is for Roster.Admit.
func OpenRenewal(root Anchor, raw []byte, now time.Time) (signed []byte, old Certificate, err error) {
	_, body, err := Split(raw)
	if err != nil {
		return nil, Certificate{}, err
	}
	var req RenewRequest
	if len(raw) > maxRenew {
		return nil, Certificate{}, fmt.Errorf("request is %d bytes long, at most %d are allowed", len(raw), maxRenew)
	}
	if err := wire.Unmarshal(body, &req); err != nil {
		return nil, Certificate{}, err
	}
	if old, err = OpenChain(root, req.Chain, now); err != nil {
		return nil, Certificate{}, err
	}
	if _, err := old.claim.node.Key.Open(RenewContext, raw); err != nil {
		return nil, Certificate{}, err
	}
	signed, err = StatementOf(req.Chain)
	return signed, old, err
}

// Joiner is a host's side of one admission: the request as sent and the key that opens the answer.
type Joiner struct {
	Request []byte
	open    SealKey
}

const admissionInfo = "fleet admission v1"

// NewJoiner makes the request of the host with this key, for its statement.
func NewJoiner(statement []byte, key PrivateKey[Node], now time.Time) (Joiner, error) {
	open := NewSealKey()
	raw, err := wire.Marshal(JoinRequest{Statement: statement, Time: now.Truncate(time.Second), SealTo: open.Public()})
	if err != nil {
		return Joiner{}, err
	}
	return Joiner{Request: key.Sign(JoinContext, raw), open: open}, nil
}

// OpenJoinRequest verifies a request with the roster, and says who asks with which token. The record still has to be Usable
// and the name free.
func OpenJoinRequest(root Anchor, roster Roster, raw []byte) (req JoinRequest, who NodeIdentity, record Record, err error) {
	fail := func(err error) (JoinRequest, NodeIdentity, Record, error) {
		return JoinRequest{}, NodeIdentity{}, Record{}, err
	}
	if len(raw) > maxJoin {
		return fail(fmt.Errorf("request is %d bytes long, at most %d are allowed", len(raw), maxJoin))
	}
	_, body, err := Split(raw)
	if err == nil {
		err = wire.Unmarshal(body, &req)
	}
	if err != nil {
		return fail(err)
	}
	s, err := decodeStatement(req.Statement)
	if err != nil {
		return fail(err)
	}
	if record, err = OpenRecord(root, roster, s.Record); err != nil {
		return fail(err)
	}
	claim, err := s.claim(record, req.Statement)
	if err != nil {
		return fail(err)
	}
	if _, err := claim.node.Key.Open(JoinContext, raw); err != nil {
		return fail(fmt.Errorf("the host key's signature is not valid: %w", err))
	}
	if who, err = roster.Identify(claim); err != nil {
		return fail(err)
	}
	return req, who, record, nil
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

// Open reads the answer. The caller verifies the chain in it.
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
