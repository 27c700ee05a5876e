package job

import (
	"errors"
	"fmt"
	"time"

	"fleet/identity"
	"fleet/internal/wire"
)

// Kind is what a reply says.
type Kind string

const (
	Accepted Kind = "accepted" // passed the gate, is being run
	Busy     Kind = "busy"     // no room for it now, which Message explains; nothing is decided, and the same bytes may come again
	Result   Kind = "result"   // an end: State says which
	NoMatch  Kind = "no match" // an end: the filter does not select this host
	Refused  Kind = "refused"  // an end: verified, but it may not run here; Reason says why
)

// Reason says why a job was refused. It is for programs; Reply.Message is for people.
type Reason string

const (
	ReasonFleet     Reason = "other fleet"
	ReasonExpired   Reason = "expired"
	ReasonClock     Reason = "clock"
	ReasonSeen      Reason = "seen"           // ran or runs here already, and its result is not kept
	ReasonRoster    Reason = "roster too old" // older than the signer knows, and no newer one could be fetched
	ReasonPolicy    Reason = "policy"
	ReasonSecond    Reason = "second key" // allowed once a second admin has signed it
	ReasonAction    Reason = "no such action"
	ReasonDeclared  Reason = "declaration" // the action is another one than the job's signer knew
	ReasonHosts     Reason = "no hosts"    // a change that does not list the hosts it is for
	ReasonArguments Reason = "arguments"
	ReasonFilter    Reason = "filter" // could not be evaluated
	ReasonJournal   Reason = "journal"
	ReasonProtocol  Reason = "protocol" // says the client: the host's release does not understand what it speaks
	ReasonAudit     Reason = "audit"    // what is decided cannot be written down, so nothing is changed
	ReasonCancelled Reason = "cancelled"
)

// Reply is what a node says about a job.
type Reply struct {
	Protocol uint8          `cbor:"1,keyasint"` // that of the job; Sign makes Current of 0
	Job      Hash           `cbor:"2,keyasint"`
	Kind     Kind           `cbor:"3,keyasint"`
	State    State          `cbor:"4,keyasint,omitempty"`
	Reason   Reason         `cbor:"5,keyasint,omitempty"`
	Message  string         `cbor:"6,keyasint,omitempty"`
	Data     map[string]any `cbor:"7,keyasint,omitempty"`
	Took     int64          `cbor:"8,keyasint,omitempty"`  // microseconds from the gate to this reply
	Time     int64          `cbor:"9,keyasint"`            // Unix milliseconds, the node's clock
	Host     []byte         `cbor:"10,keyasint"`           // the node's statement, which says who it is
	Labels   []byte         `cbor:"11,keyasint,omitempty"` // the node's newer labels, signed by an admin
}

// End reports whether no further reply follows.
func (r Reply) End() bool { return r.Kind != Accepted && r.Kind != Busy }

// SentAt is when the node made the reply, by its clock.
func (r Reply) SentAt() time.Time { return time.UnixMilli(r.Time) }

// ErrTooLarge is wrapped by Sign when the reply does not fit into one message.
var ErrTooLarge = errors.New("reply is too large")

// Sign returns what goes on the wire.
func (r Reply) Sign(c identity.Credentials) ([]byte, error) {
	r.Host, r.Labels = c.Statement, c.Labels
	if r.Protocol == 0 {
		r.Protocol = Current
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	raw, err := wire.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode reply: %w", err)
	}
	signed := c.Key.Sign(identity.ReplyContext, raw)
	if len(signed) > MaxReply {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(signed), MaxReply)
	}
	return signed, nil
}

// check is about form only: each kind has its states, so that every host ends in exactly one.
func (r Reply) check() error {
	if err := checkVersion("reply", r.Protocol); err != nil {
		return err
	}
	fits := false
	switch r.Kind {
	case Accepted, Busy, NoMatch:
		fits = r.State == ""
	case Refused:
		fits = r.State == Denied
	case Result:
		fits = r.State.Meaning().ByResult
	default:
		return fmt.Errorf("reply has the unknown kind %q", r.Kind)
	}
	if !fits {
		return fmt.Errorf("reply of the kind %q cannot have the state %q", r.Kind, r.State)
	}
	return nil
}

// replyInfo binds a sealed reply to its use and its job: one that is moved to another job does not open.
func replyInfo(h Hash) string { return "fleet reply v1 " + string(h[:]) }

// SealReply seals a signed reply to the asker's one-time key: a broker carries what it can neither read nor forge.
func SealReply(j Job, h Hash, signed []byte) ([]byte, error) {
	return identity.Seal(j.SealTo, replyInfo(h), signed)
}

// UnsealReply opens what SealReply made. What comes out is signed and has to be verified with OpenReply.
func UnsealReply(key identity.SealKey, h Hash, sealed []byte) ([]byte, error) {
	if len(sealed) > MaxReply+sealOverhead {
		return nil, fmt.Errorf("reply of %d bytes, at most %d are allowed", len(sealed), MaxReply+sealOverhead)
	}
	return key.Open(replyInfo(h), sealed)
}

// RepliesTo reports whether a reply that this node signed itself is to the job with this hash. It verifies nothing.
func RepliesTo(signed []byte, h Hash) bool {
	r, err := KnownReply(signed)
	return err == nil && r.Job == h
}

// KnownReply reads a reply that this node signed itself, or that OpenReply has verified before. It verifies nothing.
func KnownReply(signed []byte) (Reply, error) {
	var r Reply
	_, message, err := identity.Split(signed)
	if err == nil {
		err = wire.Unmarshal(message, &r)
	}
	if err != nil {
		return Reply{}, fmt.Errorf("a reply that is known: %w", err)
	}
	return r, nil
}

// Verified is a reply with the node that signed it.
type Verified struct {
	Reply
	Node identity.NodeIdentity
}

// OpenReply verifies a reply to the job with this hash: the host's statement, the signature by the host's key over exactly
// these bytes, and that the roster knows the admin behind that statement and revokes nothing of it. roster is asked last, and
// may block until one is known. OpenReply may be called from many goroutines; statements caches what they share.
func OpenReply(statements *identity.Verifier, roster func() (identity.Roster, error), job Hash, signed []byte) (Verified, error) {
	if len(signed) > MaxReply {
		return Verified{}, fmt.Errorf("reply of %d bytes, at most %d are allowed", len(signed), MaxReply)
	}
	_, message, err := identity.Split(signed)
	if err != nil {
		return Verified{}, err
	}
	var v Verified
	if err := wire.Unmarshal(message, &v.Reply); err != nil {
		return Verified{}, undecoded("reply", message, err)
	}
	if err := v.check(); err != nil {
		return Verified{}, err
	}
	if v.Job != job {
		return Verified{}, errors.New("reply is to another job")
	}
	claim, err := statements.Open(v.Host)
	if err != nil {
		return Verified{}, err
	}
	if _, err := claim.Key().Open(identity.ReplyContext, signed); err != nil {
		return Verified{}, err
	}
	r, err := roster()
	if err != nil {
		return Verified{}, err
	}
	if v.Node, err = r.Identify(claim); err != nil {
		return Verified{}, err
	}
	if len(v.Labels) > 0 {
		labels, err := statements.OpenLabels(v.Labels)
		if err != nil {
			return Verified{}, err
		}
		v.Node = r.Label(v.Node, labels)
	}
	return v, nil
}
