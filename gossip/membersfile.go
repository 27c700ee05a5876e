package gossip

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
)

const membersSchema = "fleet.members/1"

// savedMember is a member as the file has it, times in whole seconds. Whether it runs a broker is not kept: at the
// next start it does not, or will say so itself.
type savedMember struct {
	ID        string         `json:"id"`
	Host      string         `json:"host"`
	Addr      netip.AddrPort `json:"addr"`
	State     string         `json:"state"`
	Since     time.Time      `json:"since"`
	Seen      time.Time      `json:"seen"`
	Started   time.Time      `json:"started"`
	Peer      bool           `json:"peer,omitempty"`
	Pinned    bool           `json:"pinned,omitempty"`
	Ephemeral bool           `json:"ephemeral,omitempty"`
	Protocol  uint8          `json:"protocol"`
	Token     string         `json:"token,omitempty"`
}

type membersFile struct {
	Schema  string        `json:"schema"`
	Members []savedMember `json:"members"`
}

func toSaved(m Member) savedMember {
	utc := func(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
	return savedMember{
		m.ID, m.Host, m.Addr, m.State.String(), utc(m.Since), utc(m.LastSeen), utc(m.Started), m.Peer, m.Pinned, m.Ephemeral, m.Protocol, m.Token,
	}
}

// member is how s stands for a node that starts now: who was there has to be heard of again, and until then it has failed
// when it was seen last.
func (s savedMember) member(now time.Time) Member {
	m := Member{
		ID: s.ID, Host: s.Host, Addr: s.Addr, State: Failed, Since: s.Since, Started: s.Started,
		Peer: s.Peer, Pinned: s.Pinned, Ephemeral: s.Ephemeral, Protocol: s.Protocol, Token: s.Token,
	}
	switch s.State {
	case Alive.String():
		m.Since = s.Seen
	case Left.String():
		m.State = Left
	}
	if m.Since.After(now) { // the clock was set back
		m.Since = now
	}
	return m
}

func (s savedMember) check() error {
	for _, t := range []time.Time{s.Since, s.Seen, s.Started} {
		if t.Unix() < 0 || t.Unix() >= maxStarted || t.Nanosecond() != 0 {
			return fmt.Errorf("member %q has a time that is out of range", s.ID)
		}
	}
	switch {
	case !validID(s.ID) || !validHost(s.Host) || !validToken(s.Token):
		return fmt.Errorf("member %q, host %q, is not valid", s.ID, s.Host)
	case !s.Addr.IsValid() || s.Addr.Port() == 0 || s.Addr.Addr().Zone() != "" || s.Addr.Addr().Is4In6():
		return fmt.Errorf("member %q has no valid address", s.ID)
	case s.State != Alive.String() && s.State != Failed.String() && s.State != Left.String():
		return fmt.Errorf("member %q has the unknown state %q", s.ID, s.State)
	}
	return nil
}

// decodeMembers reads what encodeMembers wrote: sorted by id, without doubles.
func decodeMembers(b []byte) ([]savedMember, error) {
	if len(b) > maxFileBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxFileBytes)
	}
	var f membersFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after its end")
	}
	switch {
	case f.Schema != membersSchema:
		return nil, fmt.Errorf("its schema is %q, not %q", f.Schema, membersSchema)
	case len(f.Members) > maxMembers:
		return nil, fmt.Errorf("it names %d members, at most %d are allowed", len(f.Members), maxMembers)
	}
	for i, m := range f.Members {
		if err := m.check(); err != nil {
			return nil, err
		}
		if i > 0 && f.Members[i-1].ID >= m.ID {
			return nil, fmt.Errorf("it is not sorted at member %q", m.ID)
		}
	}
	return f.Members, nil
}

func encodeMembers(members []savedMember) ([]byte, error) {
	b, err := json.Marshal(membersFile{membersSchema, members})
	return append(b, '\n'), err
}

// loadMembers fills the table with those whom this node knew when it stopped. It never fails: without the file a seed is
// needed, and others have to tell who failed.
func (g *Gossip) loadMembers() {
	if g.cfg.MembersFile == "" {
		return
	}
	saved, err := readMembers(g.cfg.MembersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		g.cfg.Log.Error("cannot read the members known earlier; starting without them", logkey.File, g.cfg.MembersFile, logkey.Error, err)
		return
	}
	now := time.Now()
	var old []Member
	for _, s := range saved {
		switch m := s.member(now); {
		case m.ID == g.cfg.Self.ID:
		case now.Sub(m.Since) > g.table.keep(m):
			old = append(old, m)
		default:
			g.table.members[m.ID] = m
		}
	}
	g.old = pickOld(old)
}

func readMembers(path string) ([]savedMember, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	return decodeMembers(b)
}

// saveMembers writes the file if it says something else than the last time. That those alive have been seen since then is
// written every fileRefresh.
func (g *Gossip) saveMembers() {
	version := g.table.version.Load()
	if g.cfg.MembersFile == "" || !g.unsaved && version == g.savedVersion && time.Since(g.savedAt) < fileRefresh {
		return // with thousands of members comparing alone takes its time
	}
	g.mu.Lock()
	members := toFile(g.table.list(), g.old, g.cfg.Self.ID)
	same := slices.EqualFunc(members, g.saved, func(now, then savedMember) bool {
		fresh := now.Seen.Sub(then.Seen) < fileRefresh
		then.Seen = now.Seen
		return fresh && now == then
	})
	g.mu.Unlock()
	if same {
		g.savedVersion = version
		return
	}
	b, err := encodeMembers(members)
	if err == nil {
		err = atomicfile.Write(g.cfg.MembersFile, b, 0o600)
	}
	if err != nil {
		if !g.unsaved {
			g.cfg.Log.Error("cannot save the members; after a restart this node would not know which hosts to expect", logkey.Error, err)
		}
		g.unsaved = true
		return
	}
	g.unsaved, g.saved, g.savedAt, g.savedVersion = false, members, time.Now(), version
}

// toFile is what the file holds: all members but this node, and old ones as far as there is room, sorted by id.
func toFile(members, old []Member, self string) []savedMember {
	known := map[string]bool{self: true}
	var out []savedMember
	for _, m := range slices.Concat(members, old) {
		if m.LastSeen.IsZero() {
			m.LastSeen = m.Since
		}
		if !known[m.ID] && len(out) < maxMembers {
			known[m.ID] = true
			out = append(out, toSaved(m))
		}
	}
	slices.SortFunc(out, func(a, b savedMember) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// pickOld chooses whose address to keep although they are forgotten: those who may run a broker first, since they stay,
// then who was seen last.
func pickOld(members []Member) []Member {
	slices.SortFunc(members, func(a, b Member) int {
		if a.Peer != b.Peer {
			if a.Peer {
				return -1
			}
			return 1
		}
		return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.ID, b.ID))
	})
	return members[:min(len(members), maxOld)]
}
