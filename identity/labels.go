package identity

import (
	"fmt"
	"time"

	"fleet/internal/wire"
)

// Labels are what an admin says of a host after it has joined: all of its labels, in place of its token's. The host keeps the newest
// and shows it beside its statement, so that whoever verifies the one verifies the other.
type Labels struct {
	Fleet   FleetID           `cbor:"1,keyasint"`
	Node    ID                `cbor:"2,keyasint"`
	Labels  map[string]string `cbor:"3,keyasint"`
	Version uint64            `cbor:"4,keyasint"` // Unix milliseconds by the admin's clock, or one more than the last: the highest counts
	Admin   PublicKey[Admin]  `cbor:"5,keyasint"` // whose signature it is

	Record Hash `cbor:"-"` // of the signed bytes
}

// NextLabels is the version after the one that n has, or the first.
func (n NodeIdentity) NextLabels(labels map[string]string, now time.Time) Labels {
	return Labels{Fleet: n.Fleet, Node: n.ID, Labels: labels, Version: max(uint64(now.UnixMilli()), n.Labelled.Version+1)}
}

// SignLabels signs l. Admin is filled in.
func SignLabels(admin Signer, l Labels) ([]byte, error) {
	l.Admin = admin.Public()
	if err := l.check(); err != nil {
		return nil, err
	}
	raw, err := wire.Marshal(l)
	if err != nil {
		return nil, err
	}
	signed, err := SignAdmin(admin, LabelsContext, raw)
	if err == nil && len(signed) > maxLabels*maxLabel {
		err = fmt.Errorf("the labels have %d bytes, at most %d are possible", len(signed), maxLabels*maxLabel)
	}
	return signed, err
}

// OpenLabels verifies the signature by the key that they name, which may be anybody's: see Roster.Label.
func OpenLabels(root Anchor, signed []byte) (Labels, error) {
	var l Labels
	if len(signed) > maxLabels*maxLabel {
		return l, fmt.Errorf("labels of %d bytes, at most %d are possible", len(signed), maxLabels*maxLabel)
	}
	_, body, err := Split(signed)
	if err == nil {
		err = wire.Unmarshal(body, &l)
	}
	if err == nil {
		_, err = l.Admin.Open(LabelsContext, signed)
	}
	if err == nil {
		err = l.check()
	}
	if err == nil && l.Fleet != root.ID() {
		err = fmt.Errorf("they belong to the fleet %s", l.Fleet)
	}
	if err != nil {
		return Labels{}, fmt.Errorf("labels: %w", err)
	}
	l.Record = HashOf(signed)
	return l, nil
}

func (l Labels) check() error {
	if !l.Node.Valid() || l.Version == 0 {
		return fmt.Errorf("%q is not a node's id, or they have no version", l.Node)
	}
	return checkLabels(l.Labels)
}

// Label returns n with the labels that an admin gave it, if they are for n and the roster vouches for them: their admin is one, or
// they are kept. Otherwise n has its token's.
func (r Roster) Label(n NodeIdentity, l Labels) NodeIdentity {
	if l.Node != n.ID || l.Fleet != n.Fleet || !r.vouches(l.Admin, l.Record) {
		return n
	}
	n.Labels, n.Labelled = l.Labels, Labelled{Version: l.Version, Admin: l.Admin.ID(), Record: l.Record}
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	return n
}

// Labelled says where the labels of a host are from; the zero value is its token.
type Labelled struct {
	Version uint64
	Admin   ID
	Record  Hash
}
