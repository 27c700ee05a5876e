package gossip

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fleet/internal/logkey"
)

const stateLayout = 2

// state is what a push/pull carries beside memberlist's own.
type state struct {
	from   string   // the sender's id, a claim
	gone   []Member // failed or left, as goneMember makes them
	digest []byte   // of the sender's documents, empty without any; checked by Store.Missing
}

// goneMember is what is said of a member that is gone: all but its broker, and times in whole seconds.
func goneMember(m Member) Member {
	m.Broker, m.BrokerPort, m.RoutePort = false, 0, 0
	m.Since = time.Unix(m.Since.Unix(), 0)
	m.LastSeen = time.Time{}
	return m
}

func (s state) encode() []byte {
	b := appendText([]byte{stateLayout}, s.from)
	b = binary.AppendUvarint(b, uint64(len(s.gone)))
	for _, m := range s.gone {
		meta, _ := encodeMeta(m, m.State == Left) // what is in the table has been decoded before
		b = append(appendAddr(appendText(b, m.ID), m.Addr), meta...)
		b = binary.AppendUvarint(b, uint64(m.Since.Unix()))
	}
	return append(b, s.digest...)
}

func decodeState(b []byte) (s state, err error) {
	if len(b) < 1 || b[0] != stateLayout {
		return state{}, errors.New("exchanged state has an unknown layout")
	}
	s.from, b, _ = cutText(b[1:])
	n, b, ok := cutUvarint(b)
	if !ok || !validID(s.from) || n > maxGone {
		return state{}, errors.New("exchanged state has a broken head")
	}
	for i := range n {
		var m Member
		if m, b, err = cutGone(b); err != nil {
			return state{}, fmt.Errorf("exchanged state has a broken member %d: %w", i, err)
		}
		s.gone = append(s.gone, m)
	}
	s.digest = b
	return s, nil
}

func cutGone(b []byte) (Member, []byte, error) {
	id, b, ok := cutText(b)
	if !ok || !validID(id) {
		return Member{}, nil, errors.New("its id is broken")
	}
	addr, b, ok := cutAddr(b)
	if !ok {
		return Member{}, nil, errors.New("its address is broken")
	}
	m, left, b, err := cutMeta(b)
	if err != nil {
		return Member{}, nil, err
	}
	since, b, ok := cutUvarint(b)
	if !ok || since >= maxStarted || m.Broker {
		return Member{}, nil, errors.New("its time is broken, or it runs a broker")
	}
	m.ID, m.Addr, m.Since, m.State = id, addr, time.Unix(int64(since), 0), Failed
	if left {
		m.State = Left
	}
	return m, b, nil
}

// appendAddr appends the length of the address in bytes, 4 or 16, the address, and the port.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().AsSlice()
	return binary.BigEndian.AppendUint16(append(append(b, byte(len(ip))), ip...), a.Port())
}

func cutAddr(b []byte) (a netip.AddrPort, rest []byte, ok bool) {
	ip, b, ok := cutText(b)
	if !ok || len(b) < 2 {
		return a, nil, false
	}
	addr, ok := netip.AddrFromSlice([]byte(ip))
	a = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b))
	return a, b[2:], ok && !addr.Is4In6() && a.Port() != 0
}

// gone returns what to tell others of members that are gone. Should there be too many, those that failed come first, since
// an answer is expected of them, and then those that are gone for the shortest time.
func (t *table) goneMembers() []Member {
	var gone []Member
	for _, m := range t.list() {
		if m.State != Alive && m.ID != t.self {
			gone = append(gone, goneMember(m))
		}
	}
	slices.SortFunc(gone, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.State, b.State), b.Since.Compare(a.Since))
	})
	return gone[:min(len(gone), maxGone)]
}

// learn takes in what another node says of members that are gone: news of those that this node has not heard of, or takes
// for gone as well. What it hears from a member itself always counts for more.
//
// Times are handed on as they came, so hearsay that goes round does not get younger and ends with the usual forgetting.
func (t *table) learn(said []Member) {
	now := time.Now()
	var turned []Member
	unknown, changed := 0, false
	t.mu.Lock()
	for _, m := range said {
		if m.Since.After(now) {
			m.Since = now
		}
		known, ok := t.members[m.ID]
		switch {
		case m.ID == t.self, t.isBuried(m):
			continue
		case ok && !outdates(m, known):
			continue
		case !ok && (now.Sub(m.Since) > t.worthLearning(m) || len(t.members) >= maxLearnt):
			continue
		case !ok:
			unknown++
		case known.State != m.State:
			turned = append(turned, m)
		}
		t.members[m.ID] = m
		changed = true
	}
	t.mu.Unlock()
	for _, m := range turned {
		t.tell(m)
	}
	if unknown > 0 {
		t.log.Info("others know of members that are gone", logkey.Count, unknown)
	}
	if changed {
		t.changed()
	}
}

// outdates says whether what another node says of a member that is gone counts for more than what is known here. A process
// that starts anew is another one, even under the same id; and one that said goodbye did not fail, which those who missed
// the goodbye cannot know.
func outdates(said, known Member) bool {
	switch {
	case known.State == Alive || said.Since.Before(known.Since.Add(-hearsayDelay)):
		return false
	case !said.Started.Equal(known.Started):
		return said.Started.After(known.Started)
	case said.State != known.State:
		return said.State == Left
	}
	return said.Since.After(known.Since.Add(hearsayDelay))
}

// worthLearning is how long a member may be gone for a node to learn of it. It is less than how long it stays known, so that
// a member that is forgotten here does not come back from a node whose clock is behind or that noticed later.
func (t *table) worthLearning(m Member) time.Duration { return t.keep(m) / 20 * 19 }
