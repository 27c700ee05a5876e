package job_test

import (
	"slices"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
)

func TestProbes(t *testing.T) {
	id := identity.NewKey[identity.Node]().Public().ID()
	raw, err := job.Probe{Nodes: []identity.ID{id}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := job.DecodeProbe(raw); err != nil || !slices.Equal(p.Nodes, []identity.ID{id}) {
		t.Errorf("%v, %v", p, err)
	}
	many := slices.Repeat([]identity.ID{id}, job.MaxProbe+1)
	if raw, err = (job.Probe{Nodes: many}).Encode(); err != nil {
		t.Fatal(err)
	}
	if p, err := job.DecodeProbe(raw); err != nil || len(p.Nodes) != job.MaxProbe {
		t.Errorf("of too many %d are asked of: %v", len(p.Nodes), err)
	}
	answer := job.Probed{Answered: many[:300], Silent: many[:job.MaxProbe-300]}
	if raw, err = answer.Encode(); err != nil {
		t.Fatal(err)
	}
	if p, err := job.DecodeProbed(raw); err != nil || len(p.Answered) != 300 || len(p.Silent) != job.MaxProbe-300 {
		t.Errorf("%v, %v", p, err)
	}
	encoded := func(v any) []byte {
		raw, err := wire.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "interrupted": raw[:len(raw)-1], "too large": make([]byte, 16<<10+1),
		"no id": encoded(map[int]any{1: []string{"web1"}}), "a subject": encoded(map[int]any{1: []string{strings.Repeat("a", 24) + ".>"}}),
		"too many": encoded(map[int]any{1: many}), "an unknown field": encoded(map[int]any{1: nil, 9: true}),
	} {
		if p, err := job.DecodeProbe(raw); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
		if p, err := job.DecodeProbed(raw); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p, err := job.DecodeProbed(encoded(map[int]any{1: many[:300], 2: many[:300]})); err == nil {
		t.Errorf("too many in both together: %d", len(p.Answered)+len(p.Silent))
	}
}

// What decodes is in bounds, and is the same when it is encoded again.
func FuzzDecodeProbe(f *testing.F) {
	id := fixed[identity.Node](f, "node", 3).Public().ID()
	for _, p := range []job.Probed{{}, {Answered: []identity.ID{id}}, {Silent: []identity.ID{id, id}}} {
		raw, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := job.DecodeProbed(raw); err == nil {
			if again, err := p.Encode(); err != nil || len(p.Answered)+len(p.Silent) > job.MaxProbe {
				t.Errorf("%d and %d hosts, %d bytes, %v", len(p.Answered), len(p.Silent), len(again), err)
			}
		}
		if p, err := job.DecodeProbe(raw); err == nil && len(p.Nodes) > job.MaxProbe {
			t.Errorf("%d hosts", len(p.Nodes))
		}
	})
}
