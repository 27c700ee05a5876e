package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"fleet/internal/wire"
)

// Introduction is what a new admin's machine must know of a fleet: nothing of it is secret, all of it is pinned there.
type Introduction struct {
	Root    Anchor   `cbor:"1,keyasint"`
	Fleet   string   `cbor:"2,keyasint"`
	Brokers []string `cbor:"3,keyasint"` // HOST:PORT; at most 16
}

const introductionPrefix = "fleet-info1."

// Text is the introduction as one word to paste: the prefix and, in base64url, CBOR with the first four bytes of its
// SHA-256 behind it, so that a word cut short is noticed.
func (i Introduction) Text() string {
	i.Brokers = i.Brokers[:min(len(i.Brokers), maxSeeds)]
	body, err := wire.Marshal(i)
	if err != nil {
		panic(err) // byte strings and texts always encode
	}
	sum := sha256.Sum256(body)
	return introductionPrefix + base64.RawURLEncoding.EncodeToString(append(body, sum[:4]...))
}

// ParseIntroduction is the reverse of Text. Whether the addresses are addresses is for the caller to check.
func ParseIntroduction(text string) (Introduction, error) {
	const damaged = "the text is damaged or cut off; copy all of it again"
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), introductionPrefix)
	switch {
	case len(text) > maxTokenText:
		return Introduction{}, fmt.Errorf("%d bytes is too long", len(text))
	case !ok:
		return Introduction{}, fmt.Errorf("not a line from fleet admin add: it must begin with %q", introductionPrefix)
	}
	raw, err := DecodeText(rest)
	if err != nil || len(raw) < 5 {
		return Introduction{}, errors.New(damaged)
	}
	body, sum := raw[:len(raw)-4], sha256.Sum256(raw[:len(raw)-4])
	if !bytes.Equal(sum[:4], raw[len(raw)-4:]) {
		return Introduction{}, errors.New(damaged)
	}
	var i Introduction
	if err := wire.Unmarshal(body, &i); err != nil {
		return Introduction{}, fmt.Errorf("introduction: %w", err)
	}
	if i.Root.IsZero() || i.Fleet == "" || len(i.Fleet) > maxHostName || !printable(i.Fleet) || len(i.Brokers) == 0 || len(i.Brokers) > maxSeeds {
		return Introduction{}, errors.New("the introduction lacks the root key, the fleet's name or its brokers")
	}
	return i, nil
}
