package job

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"fleet/identity"
)

// Plan says of which change a job is a portion, where that takes more than one job: for more hosts than one job can list, or for
// batches. It stands in each of these jobs, so that whatever goes by how many hosts are changed goes by all of them. Without it,
// which is its zero value, the job alone is the change.
type Plan struct {
	ID    string `cbor:"1,keyasint"` // ULID: what people call the change by
	Hash  Hash   `cbor:"2,keyasint"` // of the ids of all its hosts, see HashOfPlan
	Total uint32 `cbor:"3,keyasint"` // how many they are
	Part  uint32 `cbor:"4,keyasint"` // which portion the job is, from 0
	Parts uint32 `cbor:"5,keyasint"` // how many portions there are
	// Position is how many hosts of the plan come before those of the job, in the order in which they are changed.
	Position uint32 `cbor:"6,keyasint,omitempty"`
}

// HashOfPlan is the SHA-256 of "fleet plan v1", a zero byte, and the ids in ascending order, each followed by a newline.
func HashOfPlan(hosts []identity.ID) Hash {
	h := sha256.New()
	h.Write([]byte("fleet plan v1\x00"))
	for _, id := range slices.Sorted(slices.Values(hosts)) {
		h.Write([]byte(string(id) + "\n"))
	}
	return Hash(h.Sum(nil))
}

// IsZero reports whether there is none.
func (p Plan) IsZero() bool { return p == Plan{} }

// Hosts is how many hosts the change is for that the job belongs to; 0 is all that match.
func (j Job) Hosts() int { return max(len(j.Targets), int(j.Plan.Total)) }

// checkPlan says where the plan contradicts itself or the job. Whether Total is true nobody can tell who sees one portion of many.
func (j Job) checkPlan() error {
	p, listed := j.Plan, uint32(len(j.Targets))
	if p.IsZero() {
		return nil
	}
	switch {
	case !ValidID(p.ID):
		return errors.New("the id of the job's plan is not valid")
	case j.Mode != Run || listed == 0:
		return errors.New("only a job that runs on exact targets can be a portion of a plan")
	case p.Total > MaxPlan:
		return fmt.Errorf("the job's plan has %d hosts, at most %d are allowed", p.Total, MaxPlan)
	case p.Part >= p.Parts || p.Parts > p.Total:
		return fmt.Errorf("the job is portion %d of %d of a plan for %d hosts, which cannot be", uint64(p.Part)+1, p.Parts, p.Total)
	case uint64(p.Position)+uint64(listed)+uint64(p.Parts-p.Part-1) > uint64(p.Total) || p.Position < p.Part:
		return fmt.Errorf("the job is portion %d of %d, with the %d hosts behind the first %d of %d, which cannot be", p.Part+1, p.Parts, listed, p.Position, p.Total)
	}
	if p.Parts == 1 && (p.Total != listed || p.Hash != HashOfPlan(j.Targets)) {
		return errors.New("the job is its whole plan, but lists other hosts")
	}
	return nil
}
