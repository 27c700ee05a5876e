package job_test

import (
	"fmt"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
)

func nodeIDs(n int) (list []identity.ID) {
	for range n {
		list = append(list, identity.NewKey[identity.Node]().Public().ID())
	}
	return list
}

// portion makes j the first of two portions of a plan for seven hosts, always the same.
func portion(j *job.Job) {
	for b := range byte(4) {
		j.Targets = append(j.Targets, identity.ID(strings.Repeat(string(rune('a'+b)), 26)))
	}
	j.Plan = job.Plan{ID: "01KJM0BT00000000000000000P", Hash: job.Hash{1}, Total: 7, Parts: 2}
}

// whole makes j all of a plan.
func whole(j *job.Job) {
	j.Targets = nodeIDs(3)
	j.Plan = job.Plan{ID: "01KJM0BT00000000000000000P", Hash: job.HashOfPlan(j.Targets), Total: 3, Parts: 1}
}

// unchecked signs a job as Sign does, whatever is in it.
func unchecked(t testing.TB, key identity.PrivateKey[identity.Admin], j job.Job) []byte {
	t.Helper()
	raw, err := wire.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return key.Sign(identity.JobContext, raw)
}

// A plan that contradicts itself or its job is neither signed nor decoded.
func TestAPlanIsConsistent(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name   string
		change func(*job.Job)
		hosts  int
		err    string // "": it is
	}{
		{"none", func(*job.Job) {}, 0, ""},
		{"none, with targets", func(j *job.Job) { j.Targets = nodeIDs(2) }, 2, ""},
		{"the first portion", portion, 7, ""},
		{"the last portion", func(j *job.Job) { portion(j); j.Plan.Part, j.Plan.Position = 1, 3 }, 7, ""},
		{"a portion that begins in the last one", func(j *job.Job) { portion(j); j.Plan.Part, j.Plan.Position = 1, 4 }, 7, "which cannot be"},
		{"all of it", whole, 3, ""},
		{"some of it", func(j *job.Job) { whole(j); j.Targets = j.Targets[1:] }, 0, "its whole plan, but lists other hosts"},
		{"all of another", func(j *job.Job) { whole(j); j.Targets = nodeIDs(3) }, 0, "its whole plan, but lists other hosts"},
		{"no id", func(j *job.Job) { portion(j); j.Plan.ID = "" }, 0, "the id of the job's plan"},
		{"a question", func(j *job.Job) { portion(j); j.Mode = job.Match }, 0, "only a job that runs on exact targets"},
		{"for whoever matches", func(j *job.Job) { portion(j); j.Targets = nil }, 0, "only a job that runs on exact targets"},
		{"too large", func(j *job.Job) { portion(j); j.Plan.Total = job.MaxPlan + 1 }, 0, "100001 hosts, at most 100000"},
		{"smaller than the job", func(j *job.Job) { portion(j); j.Plan.Total = 3 }, 0, "which cannot be"},
		{"no room for the other portion", func(j *job.Job) { portion(j); j.Plan.Total = 4 }, 0, "which cannot be"},
		{"more portions than hosts", func(j *job.Job) { portion(j); j.Plan.Parts = 8 }, 0, "portion 1 of 8 of a plan for 7 hosts"},
		{"no portions", func(j *job.Job) { portion(j); j.Plan.Parts = 0 }, 0, "portion 1 of 0"},
		{"behind the last portion", func(j *job.Job) { portion(j); j.Plan.Part = 2 }, 0, "portion 3 of 2"},
		{"behind portions without hosts", func(j *job.Job) { portion(j); j.Plan.Part = 1 }, 0, "which cannot be"},
		{"numbers that overflow", func(j *job.Job) { portion(j); j.Plan.Position = 1<<32 - 2 }, 0, "which cannot be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := w.job()
			tt.change(&j)
			signed, err := j.Sign(w.admin)
			if tt.err != "" {
				wantError(t, err, tt.err)
				j.Protocol, j.Signer = job.Protocol, w.admin.Public()
				_, err = job.Decode(unchecked(t, w.admin, j))
				wantError(t, err, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			u, err := job.Decode(signed)
			if err != nil {
				t.Fatal(err)
			}
			got, err := u.Verify(w.admin.Public())
			if err != nil || got.Plan != j.Plan || got.Hosts() != tt.hosts {
				t.Errorf("%v: %+v, for %d hosts", err, got.Plan, got.Hosts())
			}
		})
	}
}

// The hash is of the hosts, in whatever order they were decided on.
func TestHashOfPlan(t *testing.T) {
	a, b := identity.ID("gr2q7gf5lh6pzfdnurnkvputhm"), identity.ID("ni4ahvpqlgicuhdnv66jxjdssi")
	if job.HashOfPlan([]identity.ID{a, b}) != job.HashOfPlan([]identity.ID{b, a}) || job.HashOfPlan([]identity.ID{a}) == job.HashOfPlan([]identity.ID{a, b}) {
		t.Error("the hash does not stand for the set of hosts")
	}
	if got := fmt.Sprintf("%x", job.HashOfPlan([]identity.ID{b, a})); got != "5bc11e9992d64681dd1fd36d2218428f3c01c71d6a9a3491051884ca18efb3e4" {
		t.Errorf("the hash is %s", got)
	}
}
