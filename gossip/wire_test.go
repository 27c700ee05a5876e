package gossip

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
)

func TestMetaBytes(t *testing.T) {
	started := time.Unix(1_700_000_000, 0)
	tests := []struct {
		name    string
		m       Member
		leaving bool
		want    string
	}{
		{"member", Member{Host: "web1", Started: started, Protocol: 1, Token: "t1"}, false,
			"\x01\x00\x01\x80\xe2\xcf\xaa\x06\x04web1\x02t1"},
		{"broker", Member{Host: "web1", Started: started, Protocol: 2, Peer: true, Pinned: true, Broker: true, BrokerPort: 4222, RoutePort: 6222}, false,
			"\x01\x0b\x02\x80\xe2\xcf\xaa\x06\x10\x7e\x18\x4e\x04web1\x00"},
		{"leaving", Member{Host: "a", Started: time.Unix(0, 0), Ephemeral: true}, true,
			"\x01\x14\x00\x00\x01a\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := encodeMeta(tt.m, tt.leaving)
			if err != nil || string(b) != tt.want {
				t.Fatalf("encodes to %q, %v; want %q", b, err, tt.want)
			}
			m, leaving, err := decodeMeta(b)
			if err != nil || m != tt.m || leaving != tt.leaving {
				t.Errorf("decodes to %+v, %v, %v", m, leaving, err)
			}
		})
	}
}

func TestMetaRefusesWhatItCannotSay(t *testing.T) {
	for name, m := range map[string]Member{
		"no host name":            {Started: time.Unix(1, 0)},
		"host name too long":      {Host: strings.Repeat("a", 254), Started: time.Unix(1, 0)},
		"host name is a dash":     {Host: "-", Started: time.Unix(1, 0)},
		"host name with a space":  {Host: "a b", Started: time.Unix(1, 0)},
		"no start time":           {Host: "a"},
		"start time far off":      {Host: "a", Started: time.Unix(maxStarted, 0)},
		"a token that is no id":   {Host: "a", Started: time.Unix(1, 0), Token: "T"},
		"broker without its port": {Host: "a", Started: time.Unix(1, 0), Broker: true, RoutePort: 1},
	} {
		if b, err := encodeMeta(m, false); err == nil {
			t.Errorf("%s: %q", name, b)
		}
	}
	longest, err := encodeMeta(Member{Host: strings.Repeat("a", 253), Started: time.Unix(maxStarted-1, 0), Broker: true, BrokerPort: 1, Token: strings.Repeat("a", maxID)}, false)
	if err != nil || len(longest) > 512 {
		t.Errorf("the longest has %d bytes, %v", len(longest), err)
	}
}

// The cases are those of identity.CheckHostName, which must agree with each of them.
func TestHostNamesAreAsStrictAsIdentitys(t *testing.T) {
	for host, ok := range map[string]bool{
		"a": true, "Z": true, "9": true, "web1": true, "web-1.example.com": true, "a_b": true, "a..b": true, "a-.-b": true, "10.0.0.1": true,
		strings.Repeat("a", 253): true, strings.Repeat("a", 254): false,
		"": false, "-": false, ".": false, "_": false, "-a": false, "a-": false, ".a": false, "a.": false, "_a": false, "a_": false,
		"a b": false, "a/b": false, "a*b": false, "a:b": false, "a@b": false, "a\nb": false, "a\x00b": false, "a\xffb": false, "é": false, "aéb": false,
	} {
		if validHost(host) != ok {
			t.Errorf("%q: %v, want %v", host, !ok, ok)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Self: Member{ID: "n1", Host: "web1", Started: time.Unix(1, 0)}, Keys: [][]byte{testKey}, Bind: netip.MustParseAddrPort("127.0.0.1:0")}
	for name, change := range map[string]func(*Config){
		"no id":         func(c *Config) { c.Self.ID = "" },
		"id upper case": func(c *Config) { c.Self.ID = "N1" },
		"id too long":   func(c *Config) { c.Self.ID = strings.Repeat("a", 65) },
		"no key":        func(c *Config) { c.Keys = nil },
		"short key":     func(c *Config) { c.Keys = [][]byte{testKey, testKey[:16]} },
		"no address":    func(c *Config) { c.Bind = netip.AddrPort{} },
		"long fleet id": func(c *Config) { c.Fleet = strings.Repeat("a", 256) },
		"no host name":  func(c *Config) { c.Self.Host = "" },
	} {
		c := good
		change(&c)
		if g, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
			g.list.Shutdown()
		} else if !strings.HasPrefix(err.Error(), "gossip: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// goneState says of n2 that it failed and of n3 that it left.
func goneState() state {
	return state{from: "n1", digest: []byte("\x02\x00"), gone: []Member{
		{ID: "n2", Host: "web2", Addr: netip.MustParseAddrPort("10.0.0.2:7946"), State: Failed, Since: time.Unix(1_700_000_100, 0),
			Started: time.Unix(1_700_000_000, 0), Peer: true, Protocol: 1, Token: "t1"},
		{ID: "n3", Host: "a", Addr: netip.MustParseAddrPort("[2001:db8::1]:1"), State: Left, Since: time.Unix(1, 0),
			Started: time.Unix(0, 0), Ephemeral: true},
	}}
}

func TestStateBytes(t *testing.T) {
	want := "\x02\x02n1\x02" +
		"\x02n2\x04\x0a\x00\x00\x02\x1f\x0a\x01\x01\x01\x80\xe2\xcf\xaa\x06\x04web2\x02t1\xe4\xe2\xcf\xaa\x06" +
		"\x02n3\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x01\x14\x00\x00\x01a\x00\x01" +
		"\x02\x00"
	b := goneState().encode()
	if string(b) != want {
		t.Fatalf("encodes to %q, want %q", b, want)
	}
	if s, err := decodeState(b); err != nil || !reflect.DeepEqual(s, goneState()) {
		t.Errorf("decodes to %+v, %v", s, err)
	}
}

func FuzzMeta(f *testing.F) {
	for _, s := range []string{
		"", "\x01\x00\x01\x00\x01a\x01T", "\x01\x00\x01\x00\x01a\x02t", "\x01\x00\x01\x80\xe2\xcf\xaa\x06\x04web1\x00", "\x01\x0b\x02\x80\xe2\xcf\xaa\x06\x10\x7e\x18\x4e\x04web1\x00", "\x01\x14\x00\x00\x01a\x00",
		"\x02\x00\x01\x00\x01a", "\x01\x20\x01\x00\x01a", "\x01\x00\x01\x80\x00\x01a", "\x01\x08\x01\x00\x00\x00\x00\x00\x01a",
		"\x01\x08\x01\x00\x01", "\x01\x00\x01\x00\x02a", "\x01\x00\x01\x00\x01ab", "\x01\x00\x01\x00\x01\n", "\x01\x00\x01\x00\x00",
		"\x01\x00\x01\x00\x01-", "\x01\x00\x01\x00\x02a.",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, leaving, err := decodeMeta(b)
		if err != nil {
			return
		}
		if again, err := encodeMeta(m, leaving); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q decodes to %+v, which encodes to %q, %v", b, m, again, err)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(state{from: "n1"}.encode())
	f.Add(goneState().encode())
	f.Add([]byte("\x02\x02n1\x81\x10"))
	f.Add([]byte("\x02\x02n1\x01\x01A\x04\x0a\x00\x00\x01\x00\x01\x01\x00\x01\x00\x01a\x00"))
	f.Add([]byte("\x02\x02n1\x01\x02n2\x04\x0a\x00\x00\x01\x00\x00\x01\x00\x01\x00\x01a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		if again := s.encode(); !bytes.Equal(again, b) {
			t.Errorf("%q decodes to %+v, which encodes to %q", b, s, again)
		}
	})
}

func FuzzDigest(f *testing.F) {
	f.Add([]byte("\x02\x00"))
	f.Add(encodeDigest([]Ref{{"job", "x", 1, HashOf([]byte("a"))}, {"roster", "acme", 1 << 40, HashOf([]byte("b"))}}))
	f.Add(encodeDigest([]Ref{{"b", "x", 1, Hash{}}, {"a", "x", 1, Hash{}}}))
	f.Add(encodeDigest([]Ref{{"..", "x", 1, Hash{}}}))
	f.Add([]byte("\x02\xff\xff\xff\xff\x0f"))
	s, err := OpenStore(f.TempDir(), verifyPlain, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := decodeDigest(b)
		missing, _, err2 := s.Compare(b)
		if (err == nil) != (err2 == nil) || len(missing) != len(refs) {
			t.Fatalf("decodeDigest: %v; Compare: %d, %v", err, len(missing), err2)
		}
		if err == nil && !bytes.Equal(encodeDigest(refs), b) {
			t.Errorf("%q decodes to %+v, which encodes to %q", b, refs, encodeDigest(refs))
		}
	})
}

func TestMemberlistLogsThroughSlog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})), &gate{})
		l.Printf("[ERR] memberlist: Decrypt packet failed: %v", "x\n")
		l.Printf("[DEBUG] memberlist: Stream connection")
		l.Print("no level at all " + strings.Repeat("é", maxLogText))
		want := "level=WARN msg=\"Decrypt packet failed: x\" component=memberlist\nlevel=WARN msg=\"no level at all " +
			strings.Repeat("é", (maxLogText-len("no level at all "))/2) + " (cut)\" component=memberlist\n"
		if out.String() != want {
			t.Errorf("logged %q, want %q", out.String(), want)
		}
		for range 1000 {
			l.Printf("[ERR] flood")
		}
		time.Sleep(2 * logPeriod)
		out.Reset()
		l.Printf("[ERR] later")
		if want := "level=WARN msg=\"memberlist logged more than is shown here\" count=982\nlevel=WARN msg=later component=memberlist\n"; out.String() != want {
			t.Errorf("after a flood: %q, want %q", out.String(), want)
		}
	})
}

func TestTableIsBounded(t *testing.T) {
	meta, _ := encodeMeta(Member{Host: "a", Started: time.Unix(1, 0)}, false)
	nothing := func() {}
	table := newTable(&Config{Self: Member{ID: "self"}, Log: slog.New(slog.DiscardHandler)}, nothing, nothing, nothing)
	for i := range maxMembers {
		table.heard(node("n"+itoa(i), meta))
	}
	for _, tt := range []struct {
		name, id string
		meta     []byte
		ok       bool
	}{
		{"known", "n0", meta, true}, {"one too many", "x", meta, false}, {"bad id", "A", meta, false}, {"bad metadata", "n0", nil, false},
	} {
		if err := table.admit(node(tt.id, tt.meta)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for i := range 2 * maxConflicts {
		table.conflict(node("n"+itoa(i), meta), node("n"+itoa(i), meta))
	}
	if n := len(table.listConflicts()); n != maxConflicts {
		t.Errorf("%d conflicts", n)
	}
}

// A challenge is pinned: other releases answer it.
func TestChallengeOnTheWire(t *testing.T) {
	c := challenge{nonce{1, 15: 2}, "n2", netip.MustParseAddrPort("10.0.0.2:7420"), "n1", netip.MustParseAddrPort("10.0.0.1:7420")}
	const want = "01" + "01000000000000000000000000000002" + "026e32" + "040a0000021cfc" + "026e31" + "040a0000011cfc"
	raw := c.encode()
	if got := hex.EncodeToString(raw); got != want {
		t.Errorf("%s", got)
	}
	if got, ok := decodeChallenge(raw); !ok || got != c {
		t.Errorf("%+v %v", got, ok)
	}
	for i := range raw {
		if _, ok := decodeChallenge(raw[:i]); ok {
			t.Errorf("%d bytes of it decode", i)
		}
	}
	if _, ok := decodeChallenge(append(raw, 0)); ok {
		t.Error("bytes after the end")
	}
	if _, ok := decodeAnswer(raw); ok {
		t.Error("a challenge is an answer")
	}
	a := answer{c.nonce, []byte("proof")}
	if got, ok := decodeAnswer(a.encode()); !ok || got.nonce != a.nonce || string(got.proof) != "proof" {
		t.Errorf("%+v %v", got, ok)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(challenge{newNonce(), "n2", netip.MustParseAddrPort("10.0.0.2:1"), "n1", netip.MustParseAddrPort("[2001:db8::1]:2")}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, ok := decodeChallenge(b); ok && !bytes.Equal(c.encode(), b) {
			t.Errorf("%x decodes and encodes to %x", b, c.encode())
		}
	})
}
