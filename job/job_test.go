package job_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
	"fleet/job/filter"
)

func TestAJobIsWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	signed := w.signed(t, func(j *job.Job) { j.Targets = []identity.ID{w.node.Key.Public().ID()} })
	u, err := job.Decode(signed)
	if err != nil {
		t.Fatal(err)
	}
	j, err := u.Verify(w.admin.Public())
	if err != nil {
		t.Fatal(err)
	}
	want := w.job()
	want.Protocol, want.Signer, want.Targets = job.Protocol, w.admin.Public(), []identity.ID{w.node.Key.Public().ID()}
	if !reflect.DeepEqual(j, want) {
		t.Errorf("got  %+v\nwant %+v", j, want)
	}
	if u.ID() != want.ID || u.Signer() != w.admin.Public().ID() || u.Hash() != job.HashOf(signed) {
		t.Errorf("claims: %s by %s", u.ID(), u.Signer())
	}
}

// Form is checked before anything is signed, so a client cannot send what every host would drop.
func TestSignRefuses(t *testing.T) {
	w := newWorld(t)
	many := map[string]any{}
	for i := range job.MaxArgs + 1 {
		many[fmt.Sprint("a", i)] = true
	}
	for _, tt := range []struct {
		name   string
		change func(*job.Job)
		err    string
	}{
		{"no id", func(j *job.Job) { j.ID = "" }, "id is not valid"},
		{"an id that is no ULID", func(j *job.Job) { j.ID = "../../../../etc/passwd/xxx" }, "id is not valid"},
		{"an id that leads to other subjects", func(j *job.Job) { j.ID = "01KJM0BT0000000000000000.>" }, "id is not valid"},
		{"lacks a fleet", func(j *job.Job) { j.Fleet = "" }, "lacks a fleet"},
		{"no mode", func(j *job.Job) { j.Mode = "" }, "unknown mode"},
		{"an unknown mode", func(j *job.Job) { j.Mode = "force" }, `unknown mode "force"`},
		{"no plugin", func(j *job.Job) { j.Plugin = "" }, "not valid names"},
		{"a plugin with a dot", func(j *job.Job) { j.Plugin = "a.b" }, "not valid names"},
		{"an action that is an option", func(j *job.Job) { j.Action = "-f" }, "not valid names"},
		{"an action that is too long", func(j *job.Job) { j.Action = strings.Repeat("a", 65) }, "not valid names"},
		{"expired when signed", func(j *job.Job) { j.Expires = j.Issued }, "lifetime must be"},
		{"startable too long", func(j *job.Job) { j.Expires = j.Issued + job.MaxLife.Milliseconds() + 1 }, "at most 1h0m0s"},
		{"startable longer than time", func(j *job.Job) { j.Issued, j.Expires = -1<<62, 1<<62 }, "lifetime must be"},
		{"too many targets", func(j *job.Job) { j.Targets = make([]identity.ID, job.MaxTargets+1) }, "501 targets"},
		{"a target twice", func(j *job.Job) { j.Targets = append(j.Targets, w.admin.Public().ID(), w.admin.Public().ID()) }, "twice"},
		{"a target that is no node", func(j *job.Job) { j.Targets = []identity.ID{"web1"} }, `"web1", which is not a node id`},
		{"secrets for another host", func(j *job.Job) { j.Secrets = map[identity.ID][]byte{"web1": {1}} }, "not one of its targets"},
		{"a long reason", func(j *job.Job) { j.Reason = strings.Repeat("a", job.MaxReason+1) }, "257 bytes"},
		{"a reason of two lines", func(j *job.Job) { j.Reason = "a\nb" }, "cannot be printed"},
		{"a reason that turns the text", func(j *job.Job) { j.Reason = "a\u202eb" }, "cannot be printed"},
		{"a reason that is not UTF-8", func(j *job.Job) { j.Reason = "\xff" }, "cannot be printed"},
		{"a reason that begins with a space", func(j *job.Job) { j.Reason = " a" }, "begins or ends with a space"},
		{"too many arguments", func(j *job.Job) { j.Args = many }, "65 arguments"},
		{"no declaration", func(j *job.Job) { j.Declared = job.Declared{Change: true} }, "does not say what its signer took the action for"},
		{"too large", func(j *job.Job) { j.Args = map[string]any{"x": strings.Repeat("a", job.MaxJob)} }, "use a shorter filter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := w.job()
			tt.change(&j)
			_, err := j.Sign(w.admin)
			wantError(t, err, tt.err)
		})
	}
}

// forged signs what Sign would not: a map is encoded as Job is, with whatever in it.
func forged(t *testing.T, key identity.PrivateKey[identity.Admin], c identity.Context, change func(map[int]any)) []byte {
	t.Helper()
	m := map[int]any{
		1: job.Protocol, 2: "01KJM0BT00000000000000000A", 3: "x", 4: key.Public().Bytes(), 5: now.UnixMilli(), 6: now.UnixMilli() + 1000,
		7: "run", 8: "service", 9: "restart", 11: filter.Filter{}, 14: make([]byte, identity.SealSize),
		19: job.Declared{Meaning: job.Hash{1}},
	}
	change(m)
	raw, err := wire.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return key.Sign(c, raw)
}

func TestDecodeRefuses(t *testing.T) {
	w := newWorld(t)
	good := w.signed(t, nil)
	with := func(k int, v any) []byte {
		return forged(t, w.admin, identity.JobContext, func(m map[int]any) { m[k] = v })
	}
	for _, tt := range []struct {
		name   string
		signed []byte
		err    string
	}{
		{"nothing", nil, "too short"},
		{"a signature of nothing", good[:64], "too short"},
		{"interrupted", good[:len(good)-1], "decode"},
		{"a byte more", append(append([]byte(nil), good...), 0), "decode"},
		{"too large", make([]byte, job.MaxJob+1), "65537 bytes; the limit is 65536"},
		{"an unknown field", with(99, "x"), "decode"},
		{"a plan with a field that nothing here checks", with(18, map[int]any{1: "01KJM0BT00000000000000000P", 2: job.Hash{}, 3: 1, 4: 0, 5: 1, 7: 1}), "unknown field"},
		{"a declaration without a hash", with(19, map[int]any{1: true}), "does not say what its signer took the action for"},
		{"a newer protocol", with(1, 2), "protocol 2, but this machine understands only up to 1: upgrade fleet on this machine"},
		{"no protocol", forged(t, w.admin, identity.JobContext, func(m map[int]any) { delete(m, 1) }), "protocol 0"},
		{"a signer that is no key", with(4, []byte("short")), "decode"},
		{"lacks a fleet or a signer", with(4, make([]byte, 32)), "lacks a fleet or a signer"},
		{"an id in small letters", with(2, "01kjm0bt0000000000000000.*"), "id is not valid"},
		{"another type", with(8, 7), "decode"},
		{"text that is not UTF-8", with(8, "a\xff"), "decode"},
		{"a deep bomb", with(10, deep(40)), "decode"},
		{"one who is not there", with(7, "walk"), "unknown mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := job.Decode(tt.signed)
			wantError(t, err, tt.err)
		})
	}
	if _, err := job.Decode(with(10, map[string]any{"a": true})); err != nil {
		t.Errorf("what the cases above are made of does not decode either: %v", err)
	}
}

func deep(n int) any {
	var v any = true
	for range n {
		v = map[string]any{"a": v}
	}
	return v
}

func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t)
	other := identity.NewKey[identity.Admin]()
	good := w.signed(t, nil)
	asReply := forged(t, w.admin, identity.ReplyContext, func(map[int]any) {})
	impostor := forged(t, other, identity.JobContext, func(m map[int]any) { m[4] = w.admin.Public().Bytes() })
	for _, tt := range []struct {
		name   string
		signed []byte
		key    identity.PublicKey[identity.Admin]
		err    string
	}{
		{"another key than the job names", good, other.Public(), "names another signer"},
		{"no key", good, identity.PublicKey[identity.Admin]{}, "names another signer"},
		{"signed by another in this one's name", impostor, w.admin.Public(), "is not valid"},
		{"signed as another kind of message", asReply, w.admin.Public(), "is not valid"},
		{"a changed signature", flipped(good, 3), w.admin.Public(), "is not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := job.Decode(tt.signed)
			if err != nil {
				t.Fatal(err)
			}
			j, err := u.Verify(tt.key)
			wantError(t, err, tt.err)
			if !reflect.DeepEqual(j, job.Job{}) {
				t.Error("the job came along with the error")
			}
		})
	}
}

// Whichever byte is changed on the way: no job comes of it.
func TestEveryByteOfAJobCounts(t *testing.T) {
	w := newWorld(t)
	good := w.signed(t, nil)
	for i := range good {
		u, err := job.Decode(flipped(good, i))
		if err != nil {
			continue
		}
		if _, err := u.Verify(w.admin.Public()); err == nil {
			t.Fatalf("byte %d of %d can be changed", i, len(good))
		}
	}
}

func TestEveryByteOfAReplyCounts(t *testing.T) {
	w := newWorld(t)
	hash := job.HashOf(w.signed(t, nil))
	good := w.reply(t, hash)
	for i := range good {
		if _, err := job.OpenReply(identity.NewVerifier(w.root), w.roster, hash, flipped(good, i)); err == nil {
			t.Fatalf("byte %d of %d can be changed", i, len(good))
		}
	}
}

func TestOpenReply(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	hash := job.HashOf(w.signed(t, nil))
	good := w.reply(t, hash)
	sign := func(c identity.Credentials, change func(*job.Reply)) []byte {
		r := job.Reply{Job: hash, Kind: job.Result, State: job.OK}
		if change != nil {
			change(&r)
		}
		signed, err := r.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	// raw is signed by the node but not by Sign, which would not.
	raw := func(c identity.Context, change func(*job.Reply)) []byte {
		r := job.Reply{Protocol: job.Protocol, Job: hash, Kind: job.Result, State: job.OK, Host: w.node.Statement}
		change(&r)
		b, err := wire.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return w.node.Key.Sign(c, b)
	}
	stolen := identity.Credentials{Key: identity.NewKey[identity.Node](), Statement: w.node.Statement}
	upstart := w
	upstart.admin = identity.NewKey[identity.Admin]()
	made := upstart.credentials(t, "web2", now) // with a certificate by the issuing key, and a token that no admin signed

	for _, tt := range []struct {
		name   string
		signed []byte
		err    string
	}{
		{"to another job", w.reply(t, job.HashOf([]byte("another"))), "to another job"},
		{"of a node of another fleet", other.reply(t, hash), "another fleet"},
		{"by a key that the statement does not name", sign(stolen, nil), "is not valid"},
		{"of a host with a token that no admin signed", sign(made, nil), "which is no admin's"},
		{"signed as another kind of message", raw(identity.JobContext, func(*job.Reply) {}), "is not valid"},
		{"a newer protocol", raw(identity.ReplyContext, func(r *job.Reply) { r.Protocol = 2 }), "protocol 2"},
		{"without a statement", raw(identity.ReplyContext, func(r *job.Reply) { r.Host = nil }), "statement"},
		{"too large", make([]byte, job.MaxReply+1), "at most 524288"},
		{"interrupted", good[:len(good)-1], "decode"},
		{"a byte more", append(append([]byte(nil), good...), 0), "decode"},
		{"empty", nil, "too short"},
		{"an unknown kind", raw(identity.ReplyContext, func(r *job.Reply) { r.Kind = "maybe" }), `kind "maybe"`},
		{"a result without a state", raw(identity.ReplyContext, func(r *job.Reply) { r.State = "" }), `state ""`},
		{"a result in a state that only the asker can see", raw(identity.ReplyContext, func(r *job.Reply) { r.State = job.Silent }), `state "silent"`},
		{"a refusal that went well", raw(identity.ReplyContext, func(r *job.Reply) { r.Kind = job.Refused }), `state "ok"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := job.OpenReply(identity.NewVerifier(w.root), w.roster, hash, tt.signed)
			wantError(t, err, tt.err)
			if v.Node.ID != "" || v.Kind != "" {
				t.Errorf("something came along with the error: %+v", v)
			}
		})
	}
	v, err := job.OpenReply(identity.NewVerifier(w.root), w.roster, hash, good)
	if err != nil || v.Node.Name != "web1" || v.Message != "restarted" || v.Data["pid"] != int64(7) {
		t.Errorf("the good one: %+v, %v", v, err)
	}
}

func TestAReplyThatIsTooLargeIsNotSigned(t *testing.T) {
	w := newWorld(t)
	_, err := job.Reply{Kind: job.Result, State: job.OK, Message: strings.Repeat("x", job.MaxReply)}.Sign(w.node)
	if !errors.Is(err, job.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestDecodeMembers(t *testing.T) {
	id := identity.NewKey[identity.Node]().Public().ID()
	good := job.Member{Node: id, Name: "web1", Presence: job.Alive, Role: identity.Peer, Duplicate: []string{"10.0.0.1", "2001:db8::2"}}
	encode := func(change func(*job.Member)) []byte {
		m := good
		change(&m)
		raw, err := job.Members{Members: []job.Member{m}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	newer, err := wire.Marshal(struct {
		Protocol uint8       `cbor:"1,keyasint"`
		From     identity.ID `cbor:"2,keyasint"`
		Members  []any       `cbor:"3,keyasint"`
	}{Protocol: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		err  string
	}{
		{"nothing", nil, "list of hosts"},
		{"too large", make([]byte, job.MaxMembersBytes+1), "at most"},
		{"a newer protocol", newer, "protocol 2"},
		{"a name that is a pattern", encode(func(m *job.Member) { m.Name = "*" }), "host name"},
		{"a name with an escape sequence", encode(func(m *job.Member) { m.Name = "web\x1b[2J" }), "host name"},
		{"an id that leads to other subjects", encode(func(m *job.Member) { m.Node = "x.>" }), "node id"},
		{"no id", encode(func(m *job.Member) { m.Node = "" }), "node id"},
		{"a duplicate at a place that is no address", encode(func(m *job.Member) { m.Duplicate = []string{"10.0.0.1", "\x1b[2J"} }), "no address"},
		{"a duplicate of a host that is not named", duplicateOf(t, "x"), "does not name"},
		{"too many duplicates", duplicateOf(t, slices.Repeat([]identity.ID{id}, job.MaxDuplicates+1)...), "at most"},
		{"neither here nor there", encode(func(m *job.Member) { m.Presence = "maybe" }), "none of alive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := job.DecodeMembers(tt.raw)
			wantError(t, err, tt.err)
			if len(m.Members) > 0 {
				t.Error("hosts came along with the error")
			}
		})
	}
	raw, err := job.Members{From: id, Members: []job.Member{good}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := job.DecodeMembers(raw); err != nil || len(m.Members) != 1 || !reflect.DeepEqual(m.Members[0], good) {
		t.Errorf("the good one: %+v, %v", m, err)
	}
}

// duplicateOf is a list that says of these hosts, and names none, that two machines use their keys.
func duplicateOf(t *testing.T, ids ...identity.ID) []byte {
	t.Helper()
	list := struct {
		Protocol   uint8       `cbor:"1,keyasint"`
		From       identity.ID `cbor:"2,keyasint"`
		Members    []any       `cbor:"3,keyasint"`
		Duplicates [][]string  `cbor:"4,keyasint"`
	}{Protocol: job.Protocol}
	for _, id := range ids {
		list.Duplicates = append(list.Duplicates, []string{string(id), "10.0.0.1", "10.0.0.2"})
	}
	raw, err := wire.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Twenty thousand hosts with long names are told in pages, each host once; a list that does not fit is not told by halves.
func TestALongListOfHosts(t *testing.T) {
	all := job.Members{From: identity.NewKey[identity.Node]().Public().ID()}
	for i := range 20_000 {
		all.Members = append(all.Members, job.Member{
			Node: identity.ID(fmt.Sprintf("%s%05d", strings.Repeat("a", 21), i)), Name: fmt.Sprintf("web%05d.%s.example.org", i, strings.Repeat("long-", i%40)+"name"),
			Presence: job.MemberFailed, Role: identity.Member, Since: 1_700_000_000_000, LastSeen: 1_700_000_000_000,
		})
	}
	for i := range all.Members { // digits 0, 1, 8 and 9 are in no id
		all.Members[i].Node = identity.ID(strings.NewReplacer("0", "k", "1", "l", "8", "m", "9", "n").Replace(string(all.Members[i].Node)))
	}
	if _, err := all.Encode(); err == nil {
		t.Error("all of them are told in one message")
	}
	seen := map[identity.ID]string{}
	after, pages := identity.ID(""), 0
	for more := true; more; pages++ {
		raw, err := all.Page(after).Encode()
		if err != nil {
			t.Fatal(err)
		}
		page, err := job.DecodeMembers(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Members {
			if m.Node <= after {
				t.Fatalf("%s comes after %s", m.Node, after)
			}
			after, seen[m.Node] = m.Node, m.Name
		}
		more = page.More
	}
	for _, m := range all.Members {
		if seen[m.Node] != m.Name {
			t.Fatalf("%s is in no page", m.Name)
		}
	}
	if pages < 3 || len(seen) != len(all.Members) {
		t.Errorf("%d hosts in %d pages", len(seen), pages)
	}
	if p := all.Page(after); len(p.Members) > 0 || p.More {
		t.Errorf("after the last one there are %d", len(p.Members))
	}
}

func BenchmarkMembers(b *testing.B) {
	m := job.Members{From: identity.NewKey[identity.Node]().Public().ID()}
	for i := range job.MaxMembers {
		m.Members = append(m.Members, job.Member{Node: m.From, Name: fmt.Sprintf("web%05d.example.org", i), Presence: job.Alive, Role: identity.Member, Since: 1_700_000_000_000})
	}
	raw, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(raw))/job.MaxMembers, "bytes/host")
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			m.Encode()
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			job.DecodeMembers(raw)
		}
	})
}

// A broker sees the sealed reply: it cannot read it, and cannot pass it off as the reply to another job.
func TestSealedReply(t *testing.T) {
	w, key := newWorld(t), identity.NewSealKey()
	j := w.job()
	j.SealTo = key.Public()
	hash := job.HashOf([]byte("the signed job"))
	sealed, err := job.SealReply(j, hash, []byte("signed reply: nginx runs"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("nginx")) {
		t.Error("the sealed reply can be read")
	}
	if plain, err := job.UnsealReply(key, hash, sealed); err != nil || string(plain) != "signed reply: nginx runs" {
		t.Errorf("the asker reads %q, %v", plain, err)
	}
	if _, err := job.UnsealReply(identity.NewSealKey(), hash, sealed); err == nil {
		t.Error("somebody else opened it")
	}
	if _, err := job.UnsealReply(key, job.HashOf([]byte("another job")), sealed); err == nil {
		t.Error("it opens as the reply to another job")
	}
	for _, i := range []int{0, 40, len(sealed) - 1} {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := job.UnsealReply(key, hash, changed); err == nil {
			t.Errorf("with byte %d changed it still opens", i)
		}
	}
	if _, err := job.UnsealReply(key, hash, make([]byte, job.MaxReply+1000)); err == nil {
		t.Error("one that is too large was opened")
	}
}
