package job_test

import (
	"fmt"
	"slices"
	"testing"

	"fleet/internal/wire"
	"fleet/job"
)

func TestMesh(t *testing.T) {
	want := job.Mesh{Brokers: []string{"10.0.0.1:7421", "[2001:db8::1]:7421"}, Digest: []byte("digest")}
	raw, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := job.DecodeMesh(raw); err != nil || !slices.Equal(got.Brokers, want.Brokers) || string(got.Digest) != "digest" {
		t.Errorf("%+v, %v", got, err)
	}
	var many job.Mesh
	for i := range job.MaxBrokers + 1 {
		many.Brokers = append(many.Brokers, fmt.Sprintf("10.0.0.1:%d", 1000+i))
	}
	if raw, err = many.Encode(); err != nil {
		t.Fatal(err)
	}
	if got, err := job.DecodeMesh(raw); err != nil || len(got.Brokers) != job.MaxBrokers {
		t.Errorf("of too many %d are told, %v", len(got.Brokers), err)
	}
	encoded := func(v any) []byte {
		raw, err := wire.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "interrupted": raw[:len(raw)-1], "too large": make([]byte, job.MaxMesh+1),
		"too many":         encoded(map[int]any{1: many.Brokers, 2: nil}),
		"a name":           encoded(map[int]any{1: []string{"web1:7421"}, 2: nil}),
		"no port":          encoded(map[int]any{1: []string{"10.0.0.1"}, 2: nil}),
		"port 0":           encoded(map[int]any{1: []string{"10.0.0.1:0"}, 2: nil}),
		"a zone":           encoded(map[int]any{1: []string{"[fe80::1%eth0]:7421"}, 2: nil}),
		"an unknown field": encoded(map[int]any{1: nil, 2: nil, 3: true}),
	} {
		if m, err := job.DecodeMesh(raw); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
