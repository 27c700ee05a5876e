package presence

import (
	"fmt"
	"time"

	"fleet/identity"
	"fleet/internal/wire"
)

// State is how a host stands.
type State uint8

// The states, as they are on the wire.
const (
	Connected State = 1
	Failed    State = 2 // its connection ended, and it is on no other broker
	Left      State = 3 // it said that it stops
)

// Host is a node as its connection shows it.
type Host struct {
	Node  identity.ID
	Name  string
	Role  identity.Role
	Token identity.ID // that it joined with
	State State
	Came  time.Time // when it connected, the last time
	Since time.Time // when it was lost or left; of one that is connected: as Came
}

// protocol is the layout of a message.
const protocol = 1

// message is what a peer says about the connections to its broker, and about hosts that it knows to be gone. Part 0 is
// changes; others are the pieces, from 1, of the whole.
type message struct {
	Protocol uint8      `cbor:"1,keyasint"`
	Epoch    int64      `cbor:"2,keyasint,omitempty"` // Unix milliseconds when the peer took up its broker; 0: it has none, and only asks
	Seq      uint64     `cbor:"3,keyasint,omitempty"` // from 1 in each epoch
	Ask      bool       `cbor:"4,keyasint,omitempty"` // others are to tell the whole
	Part     uint8      `cbor:"5,keyasint,omitempty"`
	Parts    uint8      `cbor:"6,keyasint,omitempty"`
	Hosts    []wireHost `cbor:"7,keyasint,omitempty"`
}

type wireHost struct {
	_     struct{} `cbor:",toarray"`
	Node  identity.ID
	Name  string
	Role  uint8
	State State
	Came  int64 // Unix milliseconds
	Since int64
	Token identity.ID
}

func (m message) encode() ([]byte, error) {
	m.Protocol = protocol
	return wire.Marshal(m)
}

// decode reads a message strictly: what it returns is in bounds.
func decode(raw []byte) (m message, hosts []Host, err error) {
	if len(raw) > maxMessage {
		return m, nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(raw), maxMessage)
	}
	if err := wire.Unmarshal(raw, &m); err != nil {
		return m, nil, err
	}
	switch {
	case m.Protocol != protocol:
		return m, nil, fmt.Errorf("it speaks protocol %d and this side %d", m.Protocol, protocol)
	case m.Epoch < 0 || (m.Epoch == 0) != (m.Seq == 0) || m.Seq == 0 && len(m.Hosts) > 0:
		return m, nil, fmt.Errorf("its number %d of epoch %d is out of range", m.Seq, m.Epoch)
	case m.Part > m.Parts || m.Parts > maxParts || m.Part == 0 && m.Parts > 0 || len(m.Hosts) > maxPart:
		return m, nil, fmt.Errorf("part %d of %d with %d hosts is out of range", m.Part, m.Parts, len(m.Hosts))
	}
	hosts = make([]Host, len(m.Hosts))
	for i, w := range m.Hosts {
		if hosts[i], err = w.host(); err != nil {
			return m, nil, err
		}
	}
	return m, hosts, nil
}

// maxTime is far away, and far from overflowing anything.
const maxTime = int64(1) << 45

func (w wireHost) host() (Host, error) {
	role, ok := roleOf(w.Role)
	switch {
	case w.Token != "" && !w.Token.Valid():
		return Host{}, fmt.Errorf("%q is not a token's id", w.Token)
	case !w.Node.Valid():
		return Host{}, fmt.Errorf("%q is not a node id", w.Node)
	case !ok || w.State < Connected || w.State > Left:
		return Host{}, fmt.Errorf("host %s has role %d and state %d", w.Node, w.Role, w.State)
	case w.Came < 0 || w.Came > maxTime || w.Since < 0 || w.Since > maxTime:
		return Host{}, fmt.Errorf("host %s has a time that is out of range", w.Node)
	}
	return Host{w.Node, w.Name, role, w.Token, w.State, time.UnixMilli(w.Came), time.UnixMilli(w.Since)}, identity.CheckHostName(w.Name)
}

func toWire(h Host) wireHost {
	return wireHost{Node: h.Node, Name: h.Name, Role: roleNumber(h.Role), State: h.State, Came: h.Came.UnixMilli(), Since: h.Since.UnixMilli(), Token: h.Token}
}

// roles are the roles by their number.
var roles = [...]identity.Role{1: identity.Peer, 2: identity.Member, 3: identity.Ephemeral}

func roleOf(n uint8) (identity.Role, bool) {
	if n < 1 || int(n) >= len(roles) {
		return "", false
	}
	return roles[n], true
}

func roleNumber(r identity.Role) uint8 {
	for n, role := range roles {
		if role == r {
			return uint8(n)
		}
	}
	return 0
}
