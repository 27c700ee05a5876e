package identity

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is one fleet as `fleet init` makes it.
type world struct {
	root   Quorum
	admin  PrivateKey[Admin]
	issuer Issuer
	roster Roster
	doc    []byte
}

func newWorld(t testing.TB) world {
	t.Helper()
	w := world{root: testRoot(), admin: NewKey[Admin]()}
	var err error
	if w.issuer, err = NewIssuer(w.root.Anchor(), now); err != nil {
		t.Fatal(err)
	}
	r := Roster{Version: 1, Fleet: "acme", Keys: Keys{Issuing: w.issuer.Key.Public().ID()}, Roles: []RoleEntry{{"all", []Rule{{Action: "*.*"}}}},
		Admins: []AdminEntry{{"ann", w.admin.Public(), []string{"all"}}}}
	if w.doc, err = SignRoster(w.root, r, now); err != nil {
		t.Fatal(err)
	}
	if w.roster, err = OpenRoster(w.root.Authority, w.doc); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) token(t testing.TB, r Record) Token {
	t.Helper()
	if r.Role == "" {
		r.Role = Member
	}
	if r.Expires.IsZero() {
		r.Created, r.Expires = now, now.Add(time.Hour)
	}
	tok, err := NewToken(w.root.Anchor(), w.admin, r, []string{"host1:7421"})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("got error %v, want one with %q", err, part)
	}
}

func TestKeysNeverPrintThemselves(t *testing.T) {
	k := NewKey[Admin]()
	secret := strings.TrimPrefix(k.Secret(), "fleet-admin-secret:")
	holder := struct{ Key PrivateKey[Admin] }{k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, &k, holder, &holder} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, secret) || strings.Contains(s, fmt.Sprintf("%x", k.signer().Seed())) {
				t.Errorf("%s of %T shows the secret: %s", verb, v, s)
			}
		}
	}
}

func TestKeyTextIsBoundToItsKind(t *testing.T) {
	k := NewKey[Admin]()
	var same PublicKey[Admin]
	if err := same.UnmarshalText([]byte(k.Public().String())); err != nil || !same.Equal(k.Public()) {
		t.Fatalf("round trip: %v", err)
	}
	var other PublicKey[Node]
	wantError(t, other.UnmarshalText([]byte(k.Public().String())), `must begin with "fleet-node:"`)
	_, err := ParseSecret[Root](k.Secret())
	wantError(t, err, "must begin with")
	if strings.Contains(err.Error(), k.Secret()) {
		t.Error("the error quotes the secret")
	}
}

func TestSignatureHoldsInItsContextOnly(t *testing.T) {
	k := NewKey[Admin]()
	raw := k.Sign(JobContext, []byte("restart nginx"))
	if m, err := k.Public().Open(JobContext, raw); err != nil || string(m) != "restart nginx" {
		t.Fatalf("Open: %q, %v", m, err)
	}
	if _, err := k.Public().Open(TokenContext, raw); err == nil {
		t.Error("a job's signature holds for a token")
	}
	raw[70] ^= 1
	if _, err := k.Public().Open(JobContext, raw); err == nil {
		t.Error("a changed message verifies")
	}
	var zero PublicKey[Admin]
	if _, err := zero.Open(JobContext, raw); err == nil {
		t.Error("the zero key verifies something")
	}
}

func TestKeyFileMustBePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.key")
	k := NewKey[Admin]()
	if err := WriteKey(path, k); err != nil {
		t.Fatal(err)
	}
	if err := WriteKey(path, k); err == nil {
		t.Error("an existing key was replaced")
	}
	back, err := ReadKey[Admin](path)
	if err != nil || !back.Public().Equal(k.Public()) {
		t.Fatalf("ReadKey: %v", err)
	}
	_, err = ReadKey[Root](path)
	wantError(t, err, "must begin with")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = ReadKey[Admin](path)
	wantError(t, err, "chmod 600")
}

// statement is that of a host with this key and the token of that record.
func (w world) statement(t testing.TB, r Record, key PrivateKey[Node], name string) []byte {
	t.Helper()
	raw, err := NewStatement(w.token(t, r), key.Public(), NewSealKey().Public(), name, now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (w world) issue(t testing.TB, statement []byte) Chain {
	t.Helper()
	chain, err := w.issuer.Issue(statement, now)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func TestCertificateSaysWhatItWasIssuedFor(t *testing.T) {
	w, key := newWorld(t), NewKey[Node]()
	labels := map[string]string{"env": "prod", "rack": "a/1 &=?"}
	statement := w.statement(t, Record{Role: Ephemeral, Labels: labels}, key, "web1.example.com")
	chain := w.issue(t, statement)
	certificate, err := OpenChain(w.root.Anchor(), chain, now)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.roster.Admit(certificate)
	if err != nil {
		t.Fatal(err)
	}
	if id.Name != "web1.example.com" || id.Role != Ephemeral || id.ID != key.Public().ID() || fmt.Sprint(id.Labels) != fmt.Sprint(labels) || id.Issuer != w.issuer.Key.Public().ID() {
		t.Errorf("identity: %+v", id)
	}
	if got, err := StatementOf(chain); err != nil || !bytes.Equal(got, statement) {
		t.Errorf("its statement: %x, %v", got, err)
	}
}

func TestChainsThatDoNotHold(t *testing.T) {
	w, other, key := newWorld(t), newWorld(t), NewKey[Node]()
	statement := w.statement(t, Record{}, key, "web1")
	good, foreign := w.issue(t, statement), other.issue(t, other.statement(t, Record{}, key, "web1"))
	ancient, _ := w.issuer.issueFor(statement, now, NodeLife+time.Hour)
	smuggled := w.issue(t, other.statement(t, Record{}, key, "web1")) // the right issuer, and the statement of another fleet's host
	forged := Chain{Leaf: bytes.Clone(good.Leaf), Issuing: good.Issuing}
	forged.Leaf[len(forged.Leaf)-1] ^= 1 // the last byte of the signature
	tests := []struct {
		name  string
		chain Chain
		at    time.Time
		want  string
	}{
		{"another fleet", foreign, now, "to another fleet"},
		{"another fleet's host", smuggled, now, "belongs to another fleet"},
		{"leaf with a changed signature", forged, now, "not signed by its issuing CA"},
		{"leaf as issuer", Chain{Leaf: good.Leaf, Issuing: good.Leaf}, now, "another fleet"},
		{"issuer as leaf", Chain{Leaf: good.Issuing, Issuing: good.Issuing}, now, "claims to be a CA"},
		{"expired", good, now.Add(NodeLife + time.Second), "expired on"},
		{"holds for years", ancient, now, "longer than any that fleet issues"},
		{"clock far behind", good, now.Add(-25 * time.Hour), "set this host's clock"},
		{"garbage", Chain{Leaf: []byte("x"), Issuing: good.Issuing}, now, "node certificate"},
		{"too large", Chain{Leaf: make([]byte, maxCertDER+1), Issuing: good.Issuing}, now, "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenChain(w.root.Anchor(), tt.chain, tt.at)
			wantError(t, err, tt.want)
		})
	}
	if _, err := OpenChain(w.root.Anchor(), good, now.Add(-time.Hour)); err != nil {
		t.Errorf("a clock an hour behind must still connect, to be told so by the gate: %v", err)
	}
}

func TestRosterOnlyByRoot(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	_, err := OpenRoster(w.root.Authority, other.doc)
	wantError(t, err, "is not valid")
	changed := bytes.Clone(w.doc)
	changed[len(changed)-1] ^= 1
	_, err = OpenRoster(w.root.Authority, changed)
	wantError(t, err, "is not valid")
	_, err = SignRoster(w.root, Roster{Version: 2, Fleet: "acme", Keys: w.roster.Keys, Admins: []AdminEntry{{"ann", w.admin.Public(), []string{"nope"}}}}, now)
	wantError(t, err, "not defined")
	_, err = SignRoster(w.root, Roster{Version: 2, Fleet: "acme"}, now)
	wantError(t, err, "0 admins")
	_, err = SignRoster(w.root, Roster{Version: 2, Fleet: "acme", Roles: w.roster.Roles, Admins: w.roster.Admins}, now)
	wantError(t, err, "the keys in force are missing")
}

func TestTokenText(t *testing.T) {
	w := newWorld(t)
	tok := w.token(t, Record{Role: Peer, Labels: map[string]string{"env": "prod"}, Networks: []string{"10.0.0.0/8"}})
	back, err := ParseToken(" " + tok.Text() + "\n")
	if err != nil || back.Record.ID() != tok.Record.ID() || back.Seeds[0] != "host1:7421" {
		t.Fatalf("round trip: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", tok, tok, tok), tok.Secret.Secret()) {
		t.Error("a token prints its secret")
	}
	text := tok.Text()
	other := "_"
	if text[40:41] == other {
		other = "A"
	}
	for name, bad := range map[string]string{
		"empty": "", "another word": "hello", "interrupted": text[:len(text)-9], "one letter changed": text[:40] + other + text[41:],
		"prefix only": "fleet1.", "very long": "fleet1." + strings.Repeat("A", maxTokenText),
	} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%s: was accepted", name)
		} else if len(bad) > 20 && strings.Contains(err.Error(), bad[8:20]) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
}

func TestTokenUse(t *testing.T) {
	w := newWorld(t)
	tok := w.token(t, Record{Networks: []string{"10.0.0.0/8"}})
	record, err := OpenRecord(w.root.Anchor(), w.roster, tok.Signed)
	if err != nil {
		t.Fatal(err)
	}
	inside, outside := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.168.0.1")
	if err := errors.Join(record.Usable(w.roster, now), record.UsableFrom(inside)); err != nil {
		t.Error(err)
	}
	wantError(t, record.UsableFrom(outside), "not valid from the address")
	wantError(t, record.Usable(w.roster, now.Add(2*time.Hour)), "expired on 2026-03-01T13:00:00Z, 1h0m0s ago")
	wantError(t, record.Usable(w.roster.Revoking([]Revocation{RevokeToken(record.ID(), record.Expires)}), now), "revoked")

	stranger, err := NewToken(w.root.Anchor(), NewKey[Admin](), Record{Role: Peer, Created: now, Expires: now.Add(time.Hour)}, []string{"x:1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenRecord(w.root.Anchor(), w.roster, stranger.Signed)
	wantError(t, err, "not created by an admin")
}

func TestAdmission(t *testing.T) {
	w, key := newWorld(t), NewKey[Node]()
	join := func(statement []byte, key PrivateKey[Node]) Joiner {
		j, err := NewJoiner(statement, key, now)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	statement := w.statement(t, Record{Role: Peer}, key, "web1")
	joiner := join(statement, key)
	req, who, record, err := OpenJoinRequest(w.root.Anchor(), w.roster, joiner.Request)
	if err != nil || who.Name != "web1" || who.Role != Peer || who.ID != key.Public().ID() || record.ID() != who.Token || !bytes.Equal(req.Statement, statement) {
		t.Fatalf("OpenJoinRequest: %+v, %v", who, err)
	}
	sealed, err := req.Seal(Admission{GossipKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	a, err := joiner.Open(sealed)
	if err != nil || string(a.GossipKey) != "k" {
		t.Fatalf("Open: %v", err)
	}
	if _, err := join(statement, key).Open(sealed); err == nil {
		t.Error("another host opened the answer")
	}
	if _, err := joiner.Open(Refuse("no")); !errors.Is(err, ErrRefused) {
		t.Errorf("refusal: %v", err)
	}
	_, _, _, err = OpenJoinRequest(w.root.Anchor(), w.roster, join(statement, NewKey[Node]()).Request)
	wantError(t, err, "host key's signature is not valid") // who saw the statement of another host
	_, _, _, err = OpenJoinRequest(w.root.Anchor(), w.roster.Revoking([]Revocation{RevokeNode(who.ID, now)}), joiner.Request)
	wantError(t, err, "is revoked")
	_, err = NewStatement(w.token(t, Record{}), key.Public(), NewSealKey().Public(), "../web1", now)
	wantError(t, err, "not a host name")
}

// testRoot is a root of one key.
func testRoot() Quorum {
	q, err := quorumOf(1, NewKey[Root]())
	if err != nil {
		panic(err)
	}
	return q
}

// quorumOf is a root of these keys, so many of which must sign.
func quorumOf(threshold int, keys ...PrivateKey[Root]) (q Quorum, err error) {
	var public []RootKey
	for _, k := range keys {
		q.Holders = append(q.Holders, FileRoot(k))
		public = append(public, RootKey{Key: k.Public()})
	}
	q.Authority, err = NewRoot(threshold, public, now)
	return q, err
}

// bytes signs whatever is given.
func (q Quorum) bytes(t testing.TB, body []byte) []byte {
	t.Helper()
	raw, err := q.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
