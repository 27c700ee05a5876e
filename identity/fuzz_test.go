package identity

import (
	"testing"
	"time"
)

func FuzzParseToken(f *testing.F) {
	w := newWorld(f)
	f.Add(w.token(f, Record{Role: Peer}).Text())
	f.Add("fleet1.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err != nil {
			return
		}
		again, err := ParseToken(tok.Text())
		if err != nil || again.Record.ID() != tok.Record.ID() {
			t.Fatalf("what parsed does not parse again: %v", err)
		}
	})
}

// FuzzRosterBody feeds bytes that the root did sign, since no others get as far as the body.
func FuzzRosterBody(f *testing.F) {
	w := newWorld(f)
	body, _ := w.root.open(w.doc)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := OpenRoster(w.root.Authority, w.root.bytes(t, body))
		if err != nil {
			return
		}
		if _, err := SignRoster(w.root, r, time.Unix(0, 0)); err != nil {
			t.Fatalf("an accepted roster cannot be signed again: %v", err)
		}
	})
}

func FuzzJoinRequest(f *testing.F) {
	w := newWorld(f)
	key := NewKey[Node]()
	j, _ := NewJoiner(w.statement(f, Record{}, key, "web1"), key, now)
	f.Add(j.Request)
	f.Fuzz(func(t *testing.T, raw []byte) {
		OpenJoinRequest(w.root.Anchor(), w.roster, raw)
		j.Open(raw)
	})
}

func FuzzOpenChain(f *testing.F) {
	w := newWorld(f)
	c := w.issue(f, w.statement(f, Record{Labels: map[string]string{"a": "b"}}, NewKey[Node](), "web1"))
	f.Add(c.Leaf, c.Issuing)
	f.Fuzz(func(t *testing.T, leaf, issuing []byte) {
		c, err := OpenChain(w.root.Anchor(), Chain{Leaf: leaf, Issuing: issuing}, now)
		if id := c.Own(); err == nil && (id.Name != "web1" || id.Role != Member) {
			t.Fatalf("a changed certificate was accepted: %+v", id)
		}
	})
}
