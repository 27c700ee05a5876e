package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	metaLayout = 1
	maxStarted = 1 << 40
)

const (
	flagPeer = 1 << iota
	flagPinned
	flagEphemeral
	flagBroker
	flagLeaving
	flagsKnown = 1<<iota - 1
)

// encodeMeta makes the metadata of layout 1. It fails only on what the caller's own configuration got wrong.
func encodeMeta(m Member, leaving bool) ([]byte, error) {
	started := m.Started.Unix()
	switch {
	case !validHost(m.Host):
		return nil, fmt.Errorf("host name %q is not 1 to %d letters, digits, dots, dashes and underscores, a letter or digit at each end", m.Host, maxHost)
	case started < 0 || started >= maxStarted:
		return nil, fmt.Errorf("start time %v is out of range", m.Started)
	case !validToken(m.Token):
		return nil, fmt.Errorf("token %q is not an id", m.Token)
	case m.Broker && m.BrokerPort == 0:
		return nil, errors.New("a broker needs a port for its clients")
	}
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{{m.Peer, flagPeer}, {m.Pinned, flagPinned}, {m.Ephemeral, flagEphemeral}, {m.Broker, flagBroker}, {leaving, flagLeaving}} {
		if f.on {
			flags |= f.bit
		}
	}
	b := []byte{metaLayout, flags, m.Protocol}
	b = binary.AppendUvarint(b, uint64(started))
	if m.Broker {
		b = binary.BigEndian.AppendUint16(b, m.BrokerPort)
		b = binary.BigEndian.AppendUint16(b, m.RoutePort)
	}
	return appendText(appendText(b, m.Host), m.Token), nil
}

func validToken(id string) bool { return id == "" || validID(id) }

// decodeMeta reads what encodeMeta wrote and nothing else. Only the fields that metadata carries are set.
func decodeMeta(b []byte) (m Member, leaving bool, err error) {
	m, leaving, rest, err := cutMeta(b)
	if err == nil && len(rest) != 0 {
		return Member{}, false, errors.New("metadata has a tail")
	}
	return m, leaving, err
}

// cutMeta is decodeMeta for metadata that something may follow.
func cutMeta(b []byte) (m Member, leaving bool, rest []byte, err error) {
	refuse := func(format string, args ...any) (Member, bool, []byte, error) {
		return Member{}, false, nil, fmt.Errorf(format, args...)
	}
	if len(b) < 3 {
		return refuse("metadata is cut off")
	}
	if b[0] != metaLayout {
		return refuse("metadata has layout %d, this version knows %d", b[0], metaLayout)
	}
	flags := b[1]
	if flags&^flagsKnown != 0 {
		return refuse("metadata has unknown flags %#x", flags&^flagsKnown)
	}
	m = Member{
		Peer: flags&flagPeer != 0, Pinned: flags&flagPinned != 0, Ephemeral: flags&flagEphemeral != 0,
		Broker: flags&flagBroker != 0, Protocol: b[2],
	}
	started, b, ok := cutUvarint(b[3:])
	if !ok || started >= maxStarted {
		return refuse("metadata has a broken start time")
	}
	m.Started = time.Unix(int64(started), 0)
	if m.Broker {
		if len(b) < 4 {
			return refuse("metadata is cut off in the ports")
		}
		m.BrokerPort, m.RoutePort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if m.BrokerPort == 0 {
			return refuse("metadata names a broker without a port")
		}
		b = b[4:]
	}
	m.Host, b, ok = cutText(b)
	if !ok || !validHost(m.Host) {
		return refuse("metadata has a broken host name")
	}
	m.Token, b, ok = cutText(b)
	if !ok || !validToken(m.Token) {
		return refuse("metadata has a broken token")
	}
	return m, flags&flagLeaving != 0, b, nil
}

// appendText appends a text of at most 255 bytes with its length in one byte.
func appendText(b []byte, s string) []byte {
	return append(append(b, byte(len(s))), s...)
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 1 || len(b)-1 < int(b[0]) {
		return "", nil, false
	}
	n := int(b[0]) + 1
	return string(b[1:n]), b[n:], true
}

// cutUvarint accepts only the shortest form, so that one value has one encoding.
func cutUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
