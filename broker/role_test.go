package broker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestCarriers(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1_700_000_000+int64(s), 0) }
	for _, tt := range []struct {
		name string
		live []Candidate
		want []string
	}{
		{"nobody", nil, nil},
		{"alone", []Candidate{{ID: "a", Started: at(0)}}, []string{"a"}},
		{"two", []Candidate{{ID: "a", Started: at(1)}, {ID: "b", Started: at(0)}}, []string{"b", "a"}},
		{"the longest there", []Candidate{{ID: "a", Started: at(3)}, {ID: "b", Started: at(1)}, {ID: "c", Started: at(2)}, {ID: "d", Started: at(0)}}, []string{"d", "b", "c"}},
		{"one that came back is the youngest", []Candidate{{ID: "a", Started: at(9)}, {ID: "b", Started: at(1)}, {ID: "c", Started: at(2)}, {ID: "d", Started: at(3)}}, []string{"b", "c", "d"}},
		{"booted together", []Candidate{{ID: "d"}, {ID: "b"}, {ID: "c"}, {ID: "a"}}, []string{"a", "b", "c"}},
		{"the pinned first", []Candidate{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d", Pinned: true, Started: at(9)}}, []string{"d", "a", "b"}},
		{"more pinned than wanted", []Candidate{{ID: "a", Pinned: true}, {ID: "b", Pinned: true}, {ID: "c", Pinned: true}, {ID: "d", Pinned: true}, {ID: "e"}}, []string{"a", "b", "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // each peer hears of the others in another order
				live := slices.Clone(tt.live)
				rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
				before := slices.Clone(live)
				if got := Carriers(live); !slices.Equal(got, tt.want) {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
				if !slices.Equal(live, before) {
					t.Fatal("it changed its argument")
				}
			}
		})
	}
}
