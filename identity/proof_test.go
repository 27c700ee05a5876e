package identity

import "testing"

func TestOnlyTheKeyOfAnIDProvesIt(t *testing.T) {
	key, other := NewKey[Node](), NewKey[Node]()
	id, challenge := key.Public().ID(), []byte("a challenge")
	good := ProveKey(key, challenge)
	foreign := ProveKey(other, challenge)
	sig, _, _ := Split(key.Sign(RenewContext, challenge))
	for _, tt := range []struct {
		name  string
		proof []byte
		want  bool
	}{
		{"its own", good, true},
		{"another key's", foreign, false},
		{"its key with another's signature", append(good[:32:32], foreign[32:]...), false},
		{"over another challenge", ProveKey(key, []byte("another")), false},
		{"from another context", append(key.Public().Bytes(), sig...), false},
		{"cut", good[:95], false}, {"longer", append(good[:96:96], 0), false}, {"nothing", nil, false},
	} {
		if got := KeyProven(id, challenge, tt.proof); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
