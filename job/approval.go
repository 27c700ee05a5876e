package job

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"fleet/identity"
)

// An approval is a further admin's signature on a job. It follows the signed job on the wire: the admin's public key (32
// bytes) and the signature (64 bytes) under "fleet approval v1" over the whole signed job, its signature included.
type approval struct {
	admin identity.PublicKey[identity.Admin]
	sig   []byte
}

const approvalSize = ed25519.PublicKeySize + ed25519.SignatureSize

// Approvable says why a job cannot have a further admin's signature. One that lists no targets is for every host that its filter
// selects, and so for hosts that who approves it cannot know of. One in match mode runs nothing.
func (j Job) Approvable() error {
	switch {
	case j.Mode != Run:
		return errors.New("a job in match mode runs nothing and cannot be approved")
	case len(j.Targets) == 0:
		return errors.New("a job without exact targets cannot be approved: it would run on every host that matches")
	}
	return nil
}

// Approve adds a's signature to a signed job, which may carry others already.
func Approve(signed []byte, a identity.Signer) ([]byte, error) {
	u, err := Decode(signed)
	if err != nil {
		return nil, err
	}
	if err := u.job.Approvable(); err != nil {
		return nil, err
	}
	if a.Public().ID() == u.Signer() {
		return nil, fmt.Errorf("the job's signer cannot also approve it")
	}
	for _, has := range u.approvals {
		if has.admin.Equal(a.Public()) {
			return nil, fmt.Errorf("this key has already approved the job")
		}
	}
	if len(u.approvals) >= MaxApprovals {
		return nil, fmt.Errorf("the job already has %d approvals, the maximum", MaxApprovals)
	}
	both, err := identity.SignAdmin(a, identity.ApprovalContext, u.signed)
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, signed...)
	out = append(out, a.Public().Bytes()...)
	return append(out, both[:ed25519.SignatureSize]...), nil
}

// MergeApprovals returns the job that a and b both are, with the approvals of both, at most MaxApprovals: two admins may
// have approved copies of it at the same time. Whose approval holds, Approvers says.
func MergeApprovals(a, b []byte) ([]byte, error) {
	ours, err := Decode(a)
	if err != nil {
		return nil, err
	}
	theirs, err := Decode(b)
	if err != nil {
		return nil, err
	}
	if ours.Hash() != theirs.Hash() {
		return nil, fmt.Errorf("these are different jobs")
	}
	out, n := append([]byte{}, a...), len(ours.approvals)
	for _, other := range theirs.approvals {
		known := slices.ContainsFunc(ours.approvals, func(has approval) bool { return has.admin.Equal(other.admin) })
		if !known && n < MaxApprovals {
			out, n = append(append(out, other.admin.Bytes()...), other.sig...), n+1
		}
	}
	return out, nil
}

func splitApprovals(rest []byte) ([]approval, error) {
	if len(rest)%approvalSize != 0 || len(rest) > MaxApprovals*approvalSize {
		return nil, fmt.Errorf("decode: %d bytes follow the job, which are no approvals", len(rest))
	}
	var list []approval
	for ; len(rest) > 0; rest = rest[approvalSize:] {
		key, err := identity.PublicKeyOf[identity.Admin](rest[:ed25519.PublicKeySize])
		if err != nil {
			return nil, err
		}
		list = append(list, approval{key, rest[ed25519.PublicKeySize:approvalSize]})
	}
	return list, nil
}

// Approvers returns the admins of the roster, other than the signer, whose approval of this job holds.
func (u Unverified) Approvers(roster identity.Roster) []identity.AdminEntry {
	var admins []identity.AdminEntry
	for _, a := range u.holding(roster) {
		entry, _ := roster.Admin(a.admin.ID())
		admins = append(admins, entry)
	}
	return admins
}

// Keep returns the signed job with just those approvals that hold by the roster.
func (u Unverified) Keep(roster identity.Roster) []byte {
	out := append([]byte{}, u.signed...)
	for _, a := range u.holding(roster) {
		out = append(append(out, a.admin.Bytes()...), a.sig...)
	}
	return out
}

// holding is the approvals that hold, one of each admin.
func (u Unverified) holding(roster identity.Roster) []approval {
	var list []approval
	seen := map[identity.ID]bool{u.Signer(): true}
	for _, a := range u.approvals {
		id := a.admin.ID()
		entry, ok := roster.Admin(id)
		if ok && !seen[id] && entry.Key.Verify(identity.ApprovalContext, u.signed, a.sig) {
			seen[id] = true
			list = append(list, a)
		}
	}
	return list
}
