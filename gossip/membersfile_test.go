package gossip

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func savedForTest() []savedMember {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	a := netip.MustParseAddrPort("10.0.0.1:7946")
	return []savedMember{
		{"n1", "web1", a, "alive", at(1_700_000_000), at(1_700_000_500), at(1_699_999_999), true, true, false, 1, "t1"},
		{"n2", "web2", a, "failed", at(1_700_000_100), at(1_700_000_100), at(1_699_999_999), true, false, false, 1, ""},
		{"n3", "web3", a, "left", at(1_700_000_200), at(1_700_000_200), at(1_699_999_999), false, false, true, 1, "t1"},
	}
}

func FuzzMembersFile(f *testing.F) {
	good, err := encodeMembers(savedForTest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, change := range [][2]string{
		{"fleet.members/1", "fleet.members/2"}, {`"n2"`, `"n1"`}, {`"n1"`, `"../x"`}, {`"web1"`, `"-"`}, {`:7946`, `:0`}, {"10.0.0.1", "[fe80::1%eth0]"},
		{`"left"`, `"lost"`}, {"2023-", "1923-"}, {"2023-", "99999-"}, {`"protocol"`, `"more":1,"protocol"`}, {"\n", "{}"},
	} {
		f.Add(bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1))
	}
	f.Add([]byte(`{"schema":"fleet.members/1","members":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		members, err := decodeMembers(b)
		if err != nil {
			return
		}
		again, err := encodeMembers(members)
		if err != nil {
			t.Fatalf("%q decodes, but does not encode: %v", b, err)
		}
		if back, err := decodeMembers(again); err != nil || len(back) != len(members) {
			t.Errorf("%q came back as %v, %v", b, back, err)
		}
		for _, s := range members {
			m := s.member(time.Now())
			if m.State == Alive || !validID(m.ID) {
				t.Errorf("%+v starts as %+v", s, m)
			}
			st := state{from: "n1", gone: []Member{goneMember(m)}}
			if back, err := decodeState(st.encode()); err != nil || len(back.gone) != 1 {
				t.Errorf("%+v cannot be handed on: %v", m, err)
			}
		}
	})
}

func TestMembersFileRefusesWhatItDidNotWrite(t *testing.T) {
	good, err := encodeMembers(savedForTest())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeMembers(good); err != nil || !reflect.DeepEqual(got, savedForTest()) {
		t.Fatalf("came back as %+v, %v", got, err)
	}
	for name, change := range map[string][2]string{
		"schema": {"members/1", "members/2"}, "double": {`"n2"`, `"n1"`}, "id": {`"n1"`, `"../x"`}, "host": {`"web1"`, `"-"`}, "port": {":7946", ":0"},
		"state": {`"left"`, `"lost"`}, "time": {"2023-", "1923-"}, "unknown field": {`"protocol"`, `"more":1,"protocol"`}, "tail": {"\n", "{}"}, "cut": {"]}\n", ""},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if _, err := decodeMembers(bad); err == nil || bytes.Equal(bad, good) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheLargestMembersFileIsRead(t *testing.T) {
	var members []Member
	for i := range maxMembers + 10 {
		members = append(members, Member{
			ID: fmt.Sprintf("%0*d", maxID, i), Host: strings.Repeat("h", maxHost), Addr: netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
			State: Failed, Since: time.Unix(maxStarted-1, 0), Started: time.Unix(1_700_000_000, 0), Peer: true, Pinned: true, Ephemeral: true, Protocol: 255,
		})
		members[i].Since = time.Unix(1_700_000_000, 0)
	}
	b, err := encodeMembers(toFile(members, members[:1], "self"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeMembers(b); err != nil || len(got) != maxMembers {
		t.Errorf("%d bytes, %d members, %v", len(b), len(got), err)
	}
}

func TestPickOld(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	old := []Member{{ID: "a", Since: at(9)}, {ID: "b", Peer: true, Since: at(5)}, {ID: "c", Peer: true, Since: at(7)}}
	for i := range 2 * maxOld {
		old = append(old, Member{ID: "m" + itoa(i), Since: at(1)})
	}
	got := pickOld(old)
	if len(got) != maxOld || got[0].ID != "c" || got[1].ID != "b" || got[2].ID != "a" {
		t.Errorf("%d, first %v", len(got), got[:3])
	}
}

func TestBrokenMembersFileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "members.json")
	if err := os.WriteFile(path, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fresh := func() *Gossip {
		g := &Gossip{cfg: Config{Self: Member{ID: "self"}, MembersFile: path, Forget: time.Hour, Log: slog.New(slog.NewTextHandler(&out, nil))}}
		g.table = newTable(&g.cfg, func() {}, func() {}, func() {})
		g.loadMembers()
		return g
	}
	g := fresh()
	if len(g.table.members) != 0 || !strings.Contains(out.String(), path) {
		t.Errorf("loaded %v, logged %q", g.table.members, out.String())
	}
	meta, _ := encodeMeta(Member{Host: "a", Started: time.Unix(1, 0)}, false)
	g.table.heard(node("n1", meta))
	g.saveMembers()
	if m := fresh().table.members["n1"]; m.State != Failed || m.Host != "a" {
		t.Errorf("saved %v", m)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
