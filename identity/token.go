package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fleet/internal/wire"
)

const tokenPrefix = "fleet1."

// Record is the public, signed part of a token: what an admin said about the hosts that come with it.
type Record struct {
	Fleet    FleetID            `cbor:"1,keyasint"`
	Key      PublicKey[Joining] `cbor:"2,keyasint"` // whose private half is the token's secret
	Role     Role               `cbor:"3,keyasint"`
	Labels   map[string]string  `cbor:"4,keyasint,omitempty"`
	Networks []string           `cbor:"5,keyasint,omitempty"` // CIDR; none: from anywhere
	Created  time.Time          `cbor:"6,keyasint"`
	Expires  time.Time          `cbor:"7,keyasint"`
	Issuer   PublicKey[Admin]   `cbor:"8,keyasint"`
	// Roster is the version that the admin knew: a host that joins takes no older one from whoever admits it.
	Roster uint64 `cbor:"9,keyasint,omitempty"`
}

// ID names the token: it can be shown, logged and revoked without giving anything away.
func (r Record) ID() ID { return r.Key.ID() }

// Token is what lets a new host in: the signed record, the secret behind it, the pinned root and where to ask. The
// seeds are not signed: whoever answers there must show a certificate under the pinned root.
type Token struct {
	Root   Anchor
	Record Record
	Signed []byte // the record with the admin's signature, as made
	Secret PrivateKey[Joining]
	Seeds  []string // host:port of brokers
}

// String never shows the secret.
func (t Token) String() string { return "token " + string(t.Record.ID()) }

// GoString is String.
func (t Token) GoString() string { return t.String() }

type tokenWire struct {
	Root   Anchor   `cbor:"1,keyasint"`
	Signed []byte   `cbor:"2,keyasint"`
	Seed   []byte   `cbor:"3,keyasint"`
	Seeds  []string `cbor:"4,keyasint"`
}

// NewToken makes a token signed by an admin. r's Fleet, Key and Issuer are filled in.
func NewToken(root Anchor, admin Signer, r Record, seeds []string) (Token, error) {
	secret := NewKey[Joining]()
	r.Fleet, r.Key, r.Issuer = root.ID(), secret.Public(), admin.Public()
	r.Created, r.Expires = r.Created.Truncate(time.Second), r.Expires.Truncate(time.Second)
	if err := r.check(); err != nil {
		return Token{}, err
	}
	if len(seeds) == 0 || len(seeds) > maxSeeds {
		return Token{}, fmt.Errorf("a token needs 1 to %d broker addresses, not %d", maxSeeds, len(seeds))
	}
	raw, err := wire.Marshal(r)
	if err != nil {
		return Token{}, err
	}
	signed, err := SignAdmin(admin, TokenContext, raw)
	if err != nil {
		return Token{}, err
	}
	return Token{Root: root, Record: r, Signed: signed, Secret: secret, Seeds: seeds}, nil
}

// Text is the token as it is pasted: it holds the secret, so it belongs into a file of mode 0600.
func (t Token) Text() string {
	body, err := wire.Marshal(tokenWire{t.Root, t.Signed, t.Secret.signer().Seed(), t.Seeds})
	if err != nil {
		panic(err) // byte strings and texts always encode
	}
	sum := sha256.Sum256(body)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(append(body, sum[:4]...))
}

// ParseToken reads a token's text. It checks that the text is whole and fits together; the admin's signature can only
// be checked by those who hold the roster, which is the brokers. Errors never quote the text.
func ParseToken(text string) (Token, error) {
	var t Token
	text = strings.TrimSpace(text)
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	switch {
	case text == "":
		return t, errors.New("token is empty")
	case len(text) > maxTokenText:
		return t, fmt.Errorf("the token is %d bytes long; the limit is %d", len(text), maxTokenText)
	case !ok:
		return t, fmt.Errorf("not a fleet token: it must begin with %q", tokenPrefix)
	}
	raw, err := DecodeText(rest)
	if err != nil || len(raw) < 5 {
		return t, errors.New("the token is damaged or cut off; copy all of it again")
	}
	body, sum := raw[:len(raw)-4], sha256.Sum256(raw[:len(raw)-4])
	if !bytes.Equal(sum[:4], raw[len(raw)-4:]) {
		return t, errors.New("the token is damaged or cut off; copy all of it again")
	}
	var w tokenWire
	if err := wire.Unmarshal(body, &w); err != nil {
		return t, fmt.Errorf("token: %w", err)
	}
	t = Token{Root: w.Root, Signed: w.Signed, Seeds: w.Seeds}
	if len(w.Seeds) == 0 || len(w.Seeds) > maxSeeds {
		return Token{}, fmt.Errorf("token has %d broker addresses; it must have 1 to %d", len(w.Seeds), maxSeeds)
	}
	if t.Secret, err = privateKeyOf[Joining](w.Seed); err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	if t.Record, err = decodeRecord(w.Signed); err != nil {
		return Token{}, err
	}
	if t.Record.Fleet != w.Root.ID() || !t.Record.Key.Equal(t.Secret.Public()) {
		return Token{}, errors.New("the token is inconsistent: its record is for another fleet or secret")
	}
	return t, nil
}

// OpenRecord verifies a record against the roster: the signer must be an admin in it. It does not look at the clock:
// see Record.Usable.
func OpenRecord(root Anchor, roster Roster, signed []byte) (Record, error) {
	r, err := openRecord(root, signed)
	if err != nil {
		return Record{}, err
	}
	if !slices.ContainsFunc(roster.Admins, func(a AdminEntry) bool { return a.Key.Equal(r.Issuer) }) {
		return Record{}, errors.New("the token was not created by an admin of this fleet")
	}
	return r, nil
}

// openRecord verifies a record's signature by the key that it names, which may be anybody's.
func openRecord(root Anchor, signed []byte) (Record, error) {
	r, err := decodeRecord(signed)
	if err != nil {
		return Record{}, err
	}
	if r.Fleet != root.ID() {
		return Record{}, errors.New("the token belongs to another fleet")
	}
	if _, err := r.Issuer.Open(TokenContext, signed); err != nil {
		return Record{}, fmt.Errorf("token: %w", err)
	}
	return r, nil
}

// Usable says why a verified record lets nobody in now, or nil.
func (r Record) Usable(roster Roster, now time.Time) error {
	const next = "ask an admin for a new token (fleet token create)"
	if roster.IsRevoked(r.ID()) {
		return errors.New("token was revoked; " + next)
	}
	if !now.Before(r.Expires) {
		return fmt.Errorf("token expired on %s, %s ago by this clock; %s",
			r.Expires.UTC().Format(time.RFC3339), now.Sub(r.Expires).Round(time.Second), next)
	}
	return nil
}

// UsableFrom says why a record lets nobody in from this address, or nil.
func (r Record) UsableFrom(from netip.Addr) error {
	if len(r.Networks) == 0 {
		return nil
	}
	for _, n := range r.Networks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(from.Unmap()) {
			return nil
		}
	}
	return fmt.Errorf("the token is not valid from the address %s, only from %s", from, strings.Join(r.Networks, ", "))
}

func decodeRecord(signed []byte) (Record, error) {
	var r Record
	if len(signed) > maxRecord {
		return r, fmt.Errorf("token record is %d bytes long, at most %d are possible", len(signed), maxRecord)
	}
	_, message, err := Split(signed)
	if err != nil {
		return r, fmt.Errorf("token: %w", err)
	}
	if err := wire.Unmarshal(message, &r); err != nil {
		return Record{}, fmt.Errorf("token: %w", err)
	}
	return r, r.check()
}

func (r Record) check() error {
	if !r.Role.Valid() {
		return fmt.Errorf("token: role %q is not peer, member or ephemeral", r.Role)
	}
	if len(r.Networks) > maxNetworks {
		return fmt.Errorf("token: %d networks, at most %d are allowed", len(r.Networks), maxNetworks)
	}
	for _, n := range r.Networks {
		if _, err := netip.ParsePrefix(n); err != nil {
			return fmt.Errorf("token: %q is not a network such as 10.0.0.0/8", n)
		}
	}
	if !r.Expires.After(r.Created) {
		return errors.New("token: it expires before its creation")
	}
	return checkLabels(r.Labels)
}
