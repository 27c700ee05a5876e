package job

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fleet/identity"
	"fleet/internal/wire"
)

// Presence is what the mesh knows of a host's life.
type Presence string

const (
	Alive        Presence = "alive"
	MemberFailed Presence = "failed" // was there, does not answer, is still expected
	Left         Presence = "left"   // went on purpose, is not expected
)

// Member is one host as brokers know it. It is hearsay: gossip and connections say where and whether alive, certificates
// say who. Times are to the second.
type Member struct {
	Node     identity.ID
	Name     string
	Presence Presence
	Since    int64 // Unix milliseconds: when Presence began
	LastSeen int64 // Unix milliseconds; of one that is alive: 0, which is now
	Role     identity.Role
	Broker   string // host:port where it runs one
	Protocol uint8  // the newest version of its release; 0: not known
	// Duplicate holds the two addresses where two machines use this host's key; nil: there is one machine. What such a host says may be
	// either's.
	Duplicate []string
}

// Members is a broker's answer on MembersSubject: one page of the list of hosts, by node id.
type Members struct {
	Protocol uint8       // that it was asked for in, see AskedMembers; Encode makes Current of 0
	From     identity.ID // who answers
	Members  []Member
	More     bool // there are hosts after the last of these
}

// AskMembers is the question for the page of hosts whose ids come after this one; "" is for the first page. Pages may come
// from several brokers' nodes, each by its own knowledge: every host that one of them knows is in the page that its id belongs to.
func AskMembers(after identity.ID) []byte { return append([]byte{Current}, after...) }

// AskedMembers reads such a question. A version that this release does not understand is answered in Current, an id that is
// none with the first page.
func AskedMembers(question []byte) (version uint8, after identity.ID) {
	if len(question) == 0 || checkVersion("", question[0]) != nil {
		return Current, ""
	}
	if after = identity.ID(question[1:]); !after.Valid() {
		after = ""
	}
	return question[0], after
}

// Page cuts m to the hosts after this id, in the order of their ids, as many as fit into one message.
func (m Members) Page(after identity.ID) Members {
	rest := slices.DeleteFunc(slices.Clone(m.Members), func(h Member) bool { return h.Node <= after })
	slices.SortFunc(rest, func(a, b Member) int { return strings.Compare(string(a.Node), string(b.Node)) })
	n, size := 0, 0
	for n < len(rest) && n < MaxMembers {
		if size += maxMemberFrame + len(rest[n].Name) + len(rest[n].Broker); size > pageBytes {
			break
		}
		n++
	}
	m.Members, m.More = rest[:n], n < len(rest)
	return m
}

// wireMembers is Members on the wire. A host is a list and no map, since there may be thousands.
type wireMembers struct {
	Protocol   uint8           `cbor:"1,keyasint"`
	From       identity.ID     `cbor:"2,keyasint"`
	Members    []wireMember    `cbor:"3,keyasint"`
	Duplicates []wireDuplicate `cbor:"4,keyasint,omitempty"`
	More       bool            `cbor:"5,keyasint,omitempty"`
}

// wireDuplicate is the Duplicate of one member; few lists have any.
type wireDuplicate struct {
	_          struct{} `cbor:",toarray"`
	Node       identity.ID
	One, Other string
}

type wireMember struct {
	_        struct{} `cbor:",toarray"`
	Node     identity.ID
	Name     string
	Presence uint8
	Since    int64 // Unix seconds, as LastSeen
	LastSeen int64
	Role     uint8
	Broker   string
	Protocol uint8
}

// The numbers of presences and roles on the wire are their places here; 0 is none.
var (
	presences = [...]Presence{"", Alive, MemberFailed, Left}
	roles     = [...]identity.Role{"", identity.Peer, identity.Member, identity.Ephemeral}
)

// maxSeconds keeps times far from overflowing.
const maxSeconds = int64(1) << 40

// seconds never makes what a reader would refuse: one host must not cost the list.
func seconds(ms int64) int64 { return min(max(0, ms/1000), maxSeconds) }

// Encode returns what goes on the wire. It fails for a list that is too long for one message; see Page.
func (m Members) Encode() ([]byte, error) {
	w := wireMembers{Protocol: m.Protocol, From: m.From, Members: make([]wireMember, len(m.Members)), More: m.More}
	if w.Protocol == 0 {
		w.Protocol = Current
	}
	for i, h := range m.Members {
		w.Members[i] = wireMember{
			Node: h.Node, Name: h.Name, Presence: uint8(max(0, slices.Index(presences[:], h.Presence))), Since: seconds(h.Since),
			Role: uint8(max(0, slices.Index(roles[:], h.Role))), Broker: h.Broker, Protocol: h.Protocol,
		}
		if h.Presence != Alive {
			w.Members[i].LastSeen = seconds(h.LastSeen)
		}
		if len(h.Duplicate) == 2 && len(w.Duplicates) < MaxDuplicates {
			w.Duplicates = append(w.Duplicates, wireDuplicate{Node: h.Node, One: h.Duplicate[0], Other: h.Duplicate[1]})
		}
	}
	raw, err := wire.Marshal(w)
	if err == nil && (len(raw) > MaxMembersBytes || len(w.Members) > MaxMembers) {
		err = fmt.Errorf("list of %d hosts in %d bytes: a message takes at most %d and %d", len(w.Members), len(raw), MaxMembers, MaxMembersBytes)
	}
	return raw, err
}

// DecodeMembers reads a list of hosts strictly.
func DecodeMembers(raw []byte) (Members, error) {
	if len(raw) > MaxMembersBytes {
		return Members{}, fmt.Errorf("list of hosts is %d bytes long, at most %d are allowed", len(raw), MaxMembersBytes)
	}
	var w wireMembers
	if err := wire.Unmarshal(raw, &w); err != nil {
		return Members{}, fmt.Errorf("list of hosts: %w", undecoded("it", raw, err))
	}
	if err := checkVersion("it", w.Protocol); err != nil {
		return Members{}, fmt.Errorf("list of hosts: %w", err)
	}
	m := Members{Protocol: w.Protocol, From: w.From, Members: make([]Member, len(w.Members)), More: w.More}
	for i, h := range w.Members {
		var err error
		if m.Members[i], err = h.member(); err != nil {
			return Members{}, fmt.Errorf("list of hosts: %w", err)
		}
	}
	if m.More && len(m.Members) == 0 {
		return Members{}, errors.New("list of hosts: a page that is not the last one is empty")
	}
	if err := m.addDuplicates(w.Duplicates); err != nil {
		return Members{}, fmt.Errorf("list of hosts: %w", err)
	}
	return m, nil
}

// addDuplicates records each pair of addresses at its host.
func (m Members) addDuplicates(duplicates []wireDuplicate) error {
	if len(duplicates) > MaxDuplicates {
		return fmt.Errorf("it names %d keys that two machines use, at most %d are possible", len(duplicates), MaxDuplicates)
	}
	for _, t := range duplicates {
		for _, addr := range []string{t.One, t.Other} {
			if _, err := netip.ParseAddr(addr); err != nil {
				return fmt.Errorf("a key is used at %q, which is no address", addr)
			}
		}
		i := slices.IndexFunc(m.Members, func(h Member) bool { return h.Node == t.Node })
		if i < 0 {
			return fmt.Errorf("two machines use the key of %q, which it does not name", t.Node)
		}
		m.Members[i].Duplicate = []string{t.One, t.Other}
	}
	return nil
}

func (w wireMember) member() (Member, error) {
	switch {
	case int(w.Presence) >= len(presences) || int(w.Role) >= len(roles):
		return Member{}, fmt.Errorf("host %q has presence %d and role %d, which are not known", w.Name, w.Presence, w.Role)
	case w.Since < 0 || w.Since > maxSeconds || w.LastSeen < 0 || w.LastSeen > maxSeconds:
		return Member{}, fmt.Errorf("host %q has a time that is out of range", w.Name)
	}
	m := Member{
		Node: w.Node, Name: w.Name, Presence: presences[w.Presence], Since: w.Since * 1000, LastSeen: w.LastSeen * 1000,
		Role: roles[w.Role], Broker: w.Broker, Protocol: w.Protocol,
	}
	return m, m.Check()
}

// Check says what is wrong with m's form: its id becomes part of subjects and its name is shown.
func (m Member) Check() error {
	switch {
	case !m.Node.Valid():
		return fmt.Errorf("%q is not a node id", m.Node)
	case m.Presence != Alive && m.Presence != MemberFailed && m.Presence != Left:
		return fmt.Errorf("host %q is %q, which is none of alive, failed, left", m.Name, m.Presence)
	}
	return identity.CheckHostName(m.Name)
}
