package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"fleet/internal/wire"
)

const rootPrefix = "fleet-root1."

// Adoption is a root that hosts and homes are told to go by, because the keys of the one before it are lost. It is no secret, and
// nothing signs it: whoever adopts it must have it from somebody whom he trusts.
type Adoption struct {
	Anchor  Anchor `cbor:"1,keyasint"`
	Records []byte `cbor:"2,keyasint"`
}

// Text is the adoption as its file holds it.
func (a Adoption) Text() string {
	raw, err := wire.Marshal(a)
	if err != nil {
		panic(err) // byte strings always encode
	}
	return rootPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// ParseAdoption is the reverse of Text, and verifies that the records are what the anchor knows.
func ParseAdoption(text string) (a Adoption, root Authority, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), rootPrefix)
	if !ok || len(rest) > 2*MaxDocument {
		return a, root, fmt.Errorf("not a fleet's root: it must begin with %q", rootPrefix)
	}
	raw, err := DecodeText(rest)
	if err != nil {
		return a, root, errors.New("the root is damaged or cut off")
	}
	if err := wire.Unmarshal(raw, &a); err != nil {
		return a, root, err
	}
	root, err = OpenRoot(a.Anchor, a.Records)
	return a, root, err
}
