package identity

import (
	"testing"
	"time"
)

func TestNeeded(t *testing.T) {
	w := newWorld(t)
	id := func() ID { return NewKey[Node]().Public().ID() }
	signed := func(list ...Revocation) []byte {
		t.Helper()
		raw, err := SignRevocations(w.root, "ann", now, list...)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	a, b, token := RevokeNode(id(), now), RevokeNode(id(), now), id()
	alone, hosts, ever := RevokeToken(token, now.Add(time.Hour)), RevokeTokenHosts(token, now), RevokeToken(token, time.Time{})
	over := Revocation{ID: id(), What: RevokedNode, Until: now.Add(-time.Hour)}
	for name, tt := range map[string]struct {
		raws [][]byte
		want []int // of raws
	}{
		"nothing":                           {},
		"each says something":               {[][]byte{signed(a), signed(b)}, []int{0, 1}},
		"one says all":                      {[][]byte{signed(a), signed(a, b), signed(b)}, []int{1}},
		"the same twice":                    {[][]byte{signed(a), signed(a)}, []int{0}},
		"what has ended":                    {[][]byte{signed(over), signed(a)}, []int{1}},
		"the stronger one":                  {[][]byte{signed(alone), signed(hosts)}, []int{1}},
		"the stronger one came first":       {[][]byte{signed(hosts), signed(alone)}, []int{0}},
		"one is stronger, the other longer": {[][]byte{signed(ever), signed(hosts)}, []int{0, 1}},
		"what is not genuine":               {[][]byte{[]byte("x"), signed(a)}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Needed(w.root.Authority, tt.raws, now)
			if len(got) != len(tt.want) {
				t.Fatalf("%d are needed, want %v", len(got), tt.want)
			}
			for i, raw := range got {
				if string(raw) != string(tt.raws[tt.want[i]]) {
					t.Errorf("number %d is another one", i)
				}
			}
		})
	}
}

// Revocations one after the other make few documents, and the last one that there is room for says so.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	r, raws := w.roster, [][]byte(nil)
	for range 200 {
		list, err := r.Together(now, RevokeNode(NewKey[Node]().Public().ID(), now))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := SignRevocations(w.root, "ann", now, list...)
		if err != nil {
			t.Fatal(err)
		}
		raws = Needed(w.root.Authority, append(raws, raw), now)
		all, err := OpenRevocations(w.root.Authority, raws...)
		if err != nil {
			t.Fatal(err)
		}
		r = w.roster.Revoking(all)
	}
	if len(r.Revoked) != 200 || len(raws) > packFrom {
		t.Errorf("%d revocations in %d documents", len(r.Revoked), len(raws))
	}
	for i := len(r.Revoked); i < MaxRevoked; i++ {
		v := RevokeNode(NewKey[Node]().Public().ID(), now)
		r.Revoked[v.ID] = v
	}
	_, err := r.Together(now, RevokeNode(NewKey[Node]().Public().ID(), now))
	wantError(t, err, "the fleet has 16384 revocations, as many as it can have; the next one ends on")
	if _, err := r.Together(now.Add(2*revokedNodeLife), RevokeNode(NewKey[Node]().Public().ID(), now)); err != nil {
		t.Errorf("when they have ended: %v", err)
	}
}
