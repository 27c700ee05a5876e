package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Anchor is what hosts and admins pin of a fleet: its first root record, which makes it this fleet and no other, and the newest
// one that was known when the anchor was written. Records after that must be signed, see OpenRoot. The zero value is of no fleet.
type Anchor struct {
	First Hash
	Known Hash // First, where the root was never replaced
}

const anchorPrefix = "fleet-anchor:"

// ID is the fleet's.
func (a Anchor) ID() FleetID { return ID(strings.ToLower(idEncoding.EncodeToString(a.First[:16]))) }

// Same reports whether both are of one fleet.
func (a Anchor) Same(o Anchor) bool { return a.First == o.First }

// IsZero reports whether it is of no fleet.
func (a Anchor) IsZero() bool { return a.First == Hash{} }

// String is the anchor as it stands in files.
func (a Anchor) String() string {
	raw, _ := a.MarshalBinary()
	return anchorPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// ParseAnchor is the reverse of String.
func ParseAnchor(text string) (a Anchor, err error) {
	raw, err := decodeKey(anchorPrefix, text)
	if err != nil {
		return a, err
	}
	return a, a.UnmarshalBinary(raw)
}

// MarshalText is String.
func (a Anchor) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAnchor.
func (a *Anchor) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAnchor(string(text))
	return err
}

// MarshalBinary is First, and Known where that is another one.
func (a Anchor) MarshalBinary() ([]byte, error) {
	if a.Known == a.First {
		return a.First[:], nil
	}
	return append(a.First[:], a.Known[:]...), nil
}

// UnmarshalBinary is the reverse of MarshalBinary.
func (a *Anchor) UnmarshalBinary(raw []byte) error {
	size := len(a.First)
	if len(raw) != size && len(raw) != 2*size || len(raw) == 2*size && bytes.Equal(raw[:size], raw[size:]) {
		return fmt.Errorf("a fleet's anchor has %d bytes, or twice as many", size)
	}
	a.Known = Hash(raw[len(raw)-size:])
	if a.First = Hash(raw[:size]); a.IsZero() {
		return errors.New("the anchor is of no fleet")
	}
	return nil
}
