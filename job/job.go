package job

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job/filter"
)

// Mode is what a job asks for.
type Mode string

const (
	Run   Mode = "run"   // run the action
	Match Mode = "match" // say whether you would: gate and filter, but not the action
)

// Job is one command of one admin, for the hosts that match Filter, are in Targets (where Targets is not empty) and
// were admitted before Planned (where Planned is set). A job with none of the three is for every host.
type Job struct {
	Protocol uint8                              `cbor:"1,keyasint"`
	ID       string                             `cbor:"2,keyasint"` // ULID
	Fleet    identity.FleetID                   `cbor:"3,keyasint"`
	Signer   identity.PublicKey[identity.Admin] `cbor:"4,keyasint"`
	Issued   int64                              `cbor:"5,keyasint"` // Unix milliseconds
	Expires  int64                              `cbor:"6,keyasint"` // Unix milliseconds: not started after this
	Mode     Mode                               `cbor:"7,keyasint"`
	Plugin   string                             `cbor:"8,keyasint"`
	Action   string                             `cbor:"9,keyasint"`
	Args     map[string]any                     `cbor:"10,keyasint,omitempty"`
	Filter   filter.Filter                      `cbor:"11,keyasint"`
	Targets  []identity.ID                      `cbor:"12,keyasint,omitempty"`
	Planned  int64                              `cbor:"13,keyasint,omitempty"` // Unix milliseconds
	SealTo   []byte                             `cbor:"14,keyasint"`           // X25519: replies are sealed to this one-time key
	Secrets  map[identity.ID][]byte             `cbor:"15,keyasint,omitempty"` // by target: its secret arguments, see SealSecrets
	Reason   string                             `cbor:"16,keyasint,omitempty"` // why, in the signer's words; decides nothing
	Needs    []WantedDocument                   `cbor:"17,keyasint,omitempty"` // in force on a host before it judges the job
	Plan     Plan                               `cbor:"18,keyasint,omitzero"`  // of which the job is a portion
	Declared Declared                           `cbor:"19,keyasint"`           // what its signer took the action for
}

// Declared is what the signer's program knew of the action. A host that knows another one refuses the job: what the signer decided is
// not what would be done there.
type Declared struct {
	Change  bool `cbor:"1,keyasint"` // it can change hosts
	Meaning Hash `cbor:"2,keyasint"` // the hash of the declaration; see plugin.Action.Meaning
}

// Hash is the SHA-256 of a whole signed job; replies carry it.
type Hash [sha256.Size]byte

// HashOf returns the hash of a signed job.
func HashOf(signed []byte) Hash { return sha256.Sum256(signed) }

// NewID returns a fresh job id: sortable by time, 80 bits of randomness.
func NewID(now time.Time) string { return ulid.MustNew(ulid.Timestamp(now), rand.Reader).String() }

// ValidID reports whether id has the form of a job's id.
func ValidID(id string) bool {
	_, err := ulid.ParseStrict(id)
	return err == nil && len(id) == ulid.EncodedSize
}

// Sign checks j and returns what goes on the wire.
func (j Job) Sign(key identity.Signer) ([]byte, error) {
	j.Protocol, j.Signer = Current, key.Public()
	if err := j.check(); err != nil {
		return nil, err
	}
	raw, err := wire.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	signed, err := identity.SignAdmin(key, identity.JobContext, raw)
	if err != nil {
		return nil, err
	}
	if len(signed) > MaxJob {
		return nil, fmt.Errorf("the job has %d bytes; the limit is %d; use a shorter filter or fewer targets", len(signed), MaxJob)
	}
	return signed, nil
}

// Unverified is a job that decodes but whose signature nobody has checked: it can be looked up, not run.
type Unverified struct {
	job       Job
	signed    []byte
	approvals []approval
}

// Decode reads a signed job strictly, without believing any of it. It keeps signed, which must not be changed.
func Decode(signed []byte) (Unverified, error) {
	if len(signed) > MaxJob {
		return Unverified{}, fmt.Errorf("the job has %d bytes; the limit is %d", len(signed), MaxJob)
	}
	_, message, err := identity.Split(signed)
	if err != nil {
		return Unverified{}, err
	}
	var u Unverified
	rest, err := wire.UnmarshalFirst(message, &u.job)
	if err != nil {
		return Unverified{}, undecoded("job", message, err)
	}
	u.signed = signed[:len(signed)-len(rest)]
	if u.approvals, err = splitApprovals(rest); err != nil {
		return Unverified{}, err
	}
	return u, u.job.check()
}

// Signer is who the job says it is from.
func (u Unverified) Signer() identity.ID { return u.job.Signer.ID() }

// ID is the job's id as it claims.
func (u Unverified) ID() string { return u.job.ID }

// Hash is the hash of the signed bytes, without the approvals: they change nothing of the job.
func (u Unverified) Hash() Hash { return HashOf(u.signed) }

// Verify returns the job if key signed exactly these bytes.
func (u Unverified) Verify(key identity.PublicKey[identity.Admin]) (Job, error) {
	if !key.Equal(u.job.Signer) {
		return Job{}, errors.New("job names another signer")
	}
	if _, err := key.Open(identity.JobContext, u.signed); err != nil {
		return Job{}, err
	}
	return u.job, nil
}

// ExpiresAt is when the job may no longer be started.
func (j Job) ExpiresAt() time.Time { return time.UnixMilli(j.Expires) }

// IssuedAt is when the job was signed, by the admin's clock.
func (j Job) IssuedAt() time.Time { return time.UnixMilli(j.Issued) }

// check is about form only: it says nothing of who or when.
func (j Job) check() error {
	if err := checkVersion("job", j.Protocol); err != nil {
		return err
	}
	if !ValidID(j.ID) {
		return errors.New("the job's id is not valid")
	}
	switch {
	case j.Fleet == "" || j.Signer.IsZero():
		return errors.New("the job lacks a fleet or a signer")
	case j.Declared.Meaning == Hash{}:
		return errors.New("the job does not say what its signer took the action for")
	case j.Mode != Run && j.Mode != Match:
		return fmt.Errorf("job has the unknown mode %q", j.Mode)
	case !word(j.Plugin) || !word(j.Action):
		return fmt.Errorf("the job's plugin and action are not valid names: %q %q", j.Plugin, j.Action)
	case j.Issued < 0 || j.Expires <= j.Issued || j.Expires-j.Issued > MaxLife.Milliseconds():
		return fmt.Errorf("the job's lifetime must be more than zero and at most %s", MaxLife)
	case len(j.SealTo) != identity.SealSize:
		return errors.New("the job lacks the key to seal replies to")
	case len(j.Targets) > MaxTargets:
		return fmt.Errorf("job lists %d targets, at most %d are allowed", len(j.Targets), MaxTargets)
	case len(j.Secrets) > MaxTargets:
		return fmt.Errorf("job has secrets for %d hosts, at most %d are allowed", len(j.Secrets), MaxTargets)
	case len(j.Needs) > MaxNeeds:
		return fmt.Errorf("job needs %d documents, at most %d are allowed", len(j.Needs), MaxNeeds)
	case slices.ContainsFunc(j.Needs, func(w WantedDocument) bool { return !w.exact() }):
		return errors.New("a document that the job needs is not named exactly")
	case len(j.Args) > MaxArgs:
		return fmt.Errorf("job has %d arguments, at most %d are allowed", len(j.Args), MaxArgs)
	}
	return cmp.Or(j.checkTargets(), j.checkPlan(), CheckReason(j.Reason))
}

// checkTargets sees to it that as many hosts are meant as are listed, and that secrets are for none but them.
func (j Job) checkTargets() error {
	targets := make(map[identity.ID]bool, len(j.Targets))
	for _, id := range j.Targets {
		switch {
		case !id.Valid():
			return fmt.Errorf("job lists the target %q, which is not a node id", id)
		case targets[id]:
			return fmt.Errorf("job lists the target %s twice", id)
		}
		targets[id] = true
	}
	for id := range j.Secrets {
		if !targets[id] {
			return fmt.Errorf("job has secrets for %q, which is not one of its targets", id)
		}
	}
	return nil
}

// CheckReason says why text cannot be the reason of a job: it is one short line that can be shown as it is.
func CheckReason(text string) error {
	switch {
	case len(text) > MaxReason:
		return fmt.Errorf("the reason has %d bytes, at most %d are allowed", len(text), MaxReason)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the reason has characters that cannot be printed; it must be one line of text")
	case strings.TrimSpace(text) != text:
		return errors.New("the reason begins or ends with a space")
	}
	return nil
}

// word reports whether s can be the name of a plugin or an action.
func word(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
