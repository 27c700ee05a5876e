package plugin

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"fleet/internal/wire"
)

// meaning is what a declaration says about a job. Texts for people are no part of it, and neither is what only the asker needs.
type meaning struct {
	Kind   Kind           `cbor:"1,keyasint"`
	Inputs []inputMeaning `cbor:"2,keyasint,omitempty"` // by name
}

type inputMeaning struct {
	Name      string   `cbor:"1,keyasint"`
	Type      Type     `cbor:"2,keyasint"`
	Required  bool     `cbor:"3,keyasint,omitempty"`
	Secret    bool     `cbor:"4,keyasint,omitempty"`
	Default   any      `cbor:"5,keyasint,omitempty"`
	Pattern   string   `cbor:"6,keyasint,omitempty"`
	MaxLength int      `cbor:"7,keyasint,omitempty"`
	Choices   []string `cbor:"8,keyasint,omitempty"` // ascending
}

// Meaning is the hash of what the declaration says about a job with these arguments: the kind of the action, and each input that the
// job may have or gets from the declaration. Two hosts with the same hash take the job for the same. An input that may be left out, and
// is, and has no default, is no part of it: a release may add one, and jobs that do not use it still mean the same everywhere.
//
// It is the SHA-256 of "fleet action v1", a zero byte, and the encoding of the kind and the inputs (docs/PROTOCOL.md, Declared). It
// fails only for a default that no input can have.
func (a Action) Meaning(args Args) ([sha256.Size]byte, error) {
	m := meaning{Kind: a.Kind}
	for _, in := range a.Inputs {
		required := !in.Optional && in.Default == nil
		if _, given := args[in.Name]; !given && !required && !in.Secret && in.Default == nil {
			continue
		}
		im := inputMeaning{Name: in.Name, Type: in.Type, Required: required, Secret: in.Secret, Default: in.Default, Pattern: in.Pattern}
		if in.Type == String {
			im.MaxLength = cmp.Or(in.MaxLength, DefaultMaxLength)
		}
		im.Choices = slices.Sorted(slices.Values(in.Choices))
		m.Inputs = append(m.Inputs, im)
	}
	slices.SortFunc(m.Inputs, func(x, y inputMeaning) int { return cmp.Compare(x.Name, y.Name) })
	raw, err := wire.Marshal(m)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("the declaration of %s cannot be encoded: %w", a.Name, err)
	}
	return sha256.Sum256(append([]byte("fleet action v1\x00"), raw...)), nil
}
