package identity

import (
	"bytes"
	"testing"
	"time"

	"fleet/internal/wire"
)

// Nobody but who has the token's secret makes a host, and nobody but an admin says what it is.
func TestStatementsThatDoNotHold(t *testing.T) {
	w, key := newWorld(t), NewKey[Node]()
	token := w.token(t, Record{Labels: map[string]string{"env": "dev"}})
	good, err := NewStatement(token, key.Public(), NewSealKey().Public(), "web1", now)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(secret PrivateKey[Joining], c Context, change func(*statement)) []byte {
		s, err := decodeStatement(good)
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		raw, err := wire.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return secret.Sign(c, raw)
	}
	better := token.Record
	better.Labels = map[string]string{"env": "prod"}
	raw, _ := wire.Marshal(better)
	self, _ := SignAdmin(NewKey[Admin](), TokenContext, raw)
	other := w.token(t, Record{Role: Peer})
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"signed by another key", signed(NewKey[Joining](), StatementContext, func(*statement) {}), "not signed by its token"},
		{"signed as a request", signed(token.Secret, JoinContext, func(*statement) {}), "not signed by its token"},
		{"with a better record that the admin did not sign", signed(token.Secret, StatementContext, func(s *statement) { s.Record = self }), "is not valid"},
		{"with another token's record", signed(token.Secret, StatementContext, func(s *statement) { s.Record = other.Signed }), "not signed by its token"},
		{"without a key", signed(token.Secret, StatementContext, func(s *statement) { s.Key = PublicKey[Node]{} }), "no node key"},
		{"without a sealing key", signed(token.Secret, StatementContext, func(s *statement) { s.Seal = nil }), "sealing key"},
		{"with a name that is none", signed(token.Secret, StatementContext, func(s *statement) { s.Name = "web1;reboot" }), "not a host name"},
		{"with evidence that has no name", signed(token.Secret, StatementContext, func(s *statement) { s.Evidence = map[string][]byte{"": nil} }), "evidence"},
		{"too large", make([]byte, maxStatement+1), "at most"},
		{"empty", nil, "too short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenStatement(w.root.Anchor(), tt.raw)
			wantError(t, err, tt.want)
			_, err = NewVerifier(w.root.Anchor()).Open(tt.raw)
			wantError(t, err, tt.want)
		})
	}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		if _, err := OpenStatement(w.root.Anchor(), changed); err == nil {
			t.Fatalf("byte %d of %d can be changed", i, len(good))
		}
	}
}

// Whose word a statement rests on is for the roster, which changes: with an admin go the hosts of his tokens, but for those
// that are kept; with a node or a token that was revoked with its hosts goes what came with it.
func TestIdentify(t *testing.T) {
	w, key := newWorld(t), NewKey[Node]()
	token := w.token(t, Record{Role: Peer})
	raw, err := NewStatement(token, key.Public(), NewSealKey().Public(), "web1", now)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := OpenStatement(w.root.Anchor(), raw)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Roster)) Roster {
		r := w.roster
		change(&r)
		return r
	}
	bob := AdminEntry{"bob", NewKey[Admin]().Public(), nil}
	kept := []Kept{{token.Record.ID(), HashOf(token.Signed), "ann"}}
	elsewhere := []Kept{{token.Record.ID(), HashOf([]byte("another record of that token")), "ann"}}
	for _, tt := range []struct {
		name   string
		roster Roster
		want   string // "": he is one of us
	}{
		{"by an admin", w.roster, ""},
		{"the token was revoked", w.roster.Revoking([]Revocation{RevokeToken(token.Record.ID(), now)}), ""},
		{"with all its hosts", w.roster.Revoking([]Revocation{RevokeTokenHosts(token.Record.ID(), now)}), "revoked with all its hosts"},
		{"the node was revoked", w.roster.Revoking([]Revocation{RevokeNode(key.Public().ID(), now)}), "is revoked"},
		{"the admin is none any more", with(func(r *Roster) { r.Admins = []AdminEntry{bob} }), "no admin's"},
		{"the admin was revoked", with(func(r *Roster) { r.Admins = append(r.Admins, bob) }).Revoking([]Revocation{RevokeAdmin(w.admin.Public())}), "no admin's"},
		{"but the token is kept", with(func(r *Roster) { r.Admins, r.Kept = []AdminEntry{bob}, kept }), ""},
		{"another record of the token is kept", with(func(r *Roster) { r.Admins, r.Kept = []AdminEntry{bob}, elsewhere }), "no admin's"},
		{"kept, and revoked with all its hosts", with(func(r *Roster) { r.Kept = kept }).Revoking([]Revocation{RevokeTokenHosts(token.Record.ID(), now)}), "revoked with all its hosts"},
		{"no roster at all", Roster{}, "no admin's"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.roster.Identify(claim)
			if tt.want == "" && (err != nil || got.Name != "web1" || got.Token != token.Record.ID()) {
				t.Errorf("%+v, %v", got, err)
			}
			if tt.want != "" {
				wantError(t, err, tt.want)
			}
		})
	}
	gone := with(func(r *Roster) { r.Admins, r.Kept = []AdminEntry{bob}, kept })
	if _, err := OpenRecord(w.root.Anchor(), gone, token.Signed); err == nil {
		t.Error("a kept token lets new hosts in")
	}
}

// What a Verifier remembers is what held, and nothing else.
func TestVerifierRemembersOnlyWhatHeld(t *testing.T) {
	w := newWorld(t)
	v := NewVerifier(w.root.Anchor())
	token := w.token(t, Record{})
	for round := range 2 { // the second finds what the first left
		for _, name := range []string{"web1", "web2"} {
			raw, err := NewStatement(token, NewKey[Node]().Public(), NewSealKey().Public(), name, now)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if c, err := v.Open(raw); err != nil || c.node.Name != name {
					t.Errorf("round %d: %+v, %v", round, c, err)
				}
			}
			raw[len(raw)-1] ^= 1
			if c, err := v.Open(raw); err == nil {
				t.Errorf("a changed statement was believed: %+v", c)
			}
		}
	}
	if len(v.records) != 1 || len(v.claims) != 4 {
		t.Errorf("%d records and %d statements are remembered", len(v.records), len(v.claims))
	}
}

func TestVerifierIsBounded(t *testing.T) {
	m := map[Hash]int{}
	for i := range 35 {
		remember(m, Hash{byte(i)}, i, 10)
	}
	if len(m) > 10 || m[Hash{34}] != 34 {
		t.Errorf("%v", m)
	}
}

// FuzzStatement feeds bytes that a token's key did sign, since no others get as far.
func FuzzStatement(f *testing.F) {
	w := newWorld(f)
	token := w.token(f, Record{})
	raw, err := NewStatement(token, NewKey[Node]().Public(), NewSealKey().Public(), "web1", now)
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := Split(raw)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := token.Secret.Sign(StatementContext, body)
		c, err := OpenStatement(w.root.Anchor(), raw)
		if err != nil {
			return
		}
		if id, err := w.roster.Identify(c); err != nil || CheckHostName(id.Name) != nil || id.Role != Member {
			t.Errorf("%+v, %v", id, err)
		}
		if _, err := w.issuer.issueFor(raw, time.Unix(0, 0), NodeLife); err != nil {
			t.Errorf("it holds, and cannot be certified: %v", err)
		}
	})
}

// Labels that an admin gives later count while an admin's word stands behind them, for the host that they name.
func TestLabelsGivenLater(t *testing.T) {
	w, key := newWorld(t), NewKey[Node]()
	claim, err := OpenStatement(w.root.Anchor(), w.statement(t, Record{Labels: map[string]string{"env": "dev"}}, key, "web1"))
	if err != nil {
		t.Fatal(err)
	}
	host, err := w.roster.Identify(claim)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(admin PrivateKey[Admin], change func(*Labels)) (Labels, []byte) {
		l := host.NextLabels(map[string]string{"env": "prod"}, now)
		if change != nil {
			change(&l)
		}
		raw, err := SignLabels(admin, l)
		if err != nil {
			t.Fatal(err)
		}
		if l, err = OpenLabels(w.root.Anchor(), raw); err != nil {
			t.Fatal(err)
		}
		return l, raw
	}
	good, raw := signed(w.admin, nil)
	stranger, _ := signed(NewKey[Admin](), nil)
	other, _ := signed(w.admin, func(l *Labels) { l.Node = NewKey[Node]().Public().ID() })
	bob := Roster{Version: 2, Admins: []AdminEntry{{"bob", NewKey[Admin]().Public(), nil}}}
	kept := bob
	kept.Kept = []Kept{{host.ID, good.Record, "ann"}}
	for name, tt := range map[string]struct {
		roster Roster
		labels Labels
		want   string
	}{
		"an admin's": {w.roster, good, "prod"}, "a stranger's": {w.roster, stranger, "dev"}, "another host's": {w.roster, other, "dev"},
		"a former admin's": {bob, good, "dev"}, "a former admin's, which are kept": {kept, good, "prod"},
	} {
		if got := tt.roster.Label(host, tt.labels); got.Labels["env"] != tt.want {
			t.Errorf("%s: %v", name, got.Labels)
		}
	}
	if next := w.roster.Label(host, good).NextLabels(nil, now.Add(-time.Hour)); next.Version != good.Version+1 {
		t.Errorf("the next after version %d is %d", good.Version, next.Version)
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := OpenLabels(w.root.Anchor(), changed); err == nil {
			t.Fatalf("byte %d of %d can be changed", i, len(raw))
		}
	}
	v := NewVerifier(w.root.Anchor())
	for range 2 {
		if l, err := v.OpenLabels(raw); err != nil || l.Record != good.Record {
			t.Errorf("%+v, %v", l, err)
		}
	}
}

func FuzzLabels(f *testing.F) {
	w := newWorld(f)
	raw, err := SignLabels(w.admin, Labels{Fleet: w.root.Anchor().ID(), Node: NewKey[Node]().Public().ID(), Labels: map[string]string{"a": "b"}, Version: 1})
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := Split(raw)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := OpenLabels(w.root.Anchor(), w.admin.Sign(LabelsContext, body))
		if err != nil {
			return
		}
		if _, err := SignLabels(w.admin, l); err != nil {
			t.Errorf("it holds, and cannot be signed: %v", err)
		}
	})
}
