package filter

import (
	"slices"
	"testing"
)

func TestParseLimit(t *testing.T) {
	for s, want := range map[string]Limit{"1": {1, false}, "20": {20, false}, "1%": {1, true}, " 100% ": {100, true}, "250": {250, false}} {
		if got, err := ParseLimit(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v", s, got, err)
		} else if again, _ := ParseLimit(got.String()); again != got {
			t.Errorf("%q: String() is %q", s, got)
		}
	}
	for _, s := range []string{"", " ", "%", "0", "0%", "101%", "-1", "+1", "1.5", "10.5%", "ten", "1%%", "0x10", "99999999999999999999", "1 %"} {
		if got, err := ParseLimit(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

func TestLimitOf(t *testing.T) {
	for _, tt := range []struct {
		limit       Limit
		total, want int
	}{
		{Limit{}, 7, 7}, {Limit{3, false}, 7, 3}, {Limit{9, false}, 7, 7}, {Limit{3, false}, 0, 0},
		{Limit{1, true}, 7, 1}, {Limit{1, true}, 1, 1}, {Limit{1, true}, 101, 2}, {Limit{50, true}, 7, 4}, {Limit{100, true}, 7, 7}, {Limit{20, true}, 10, 2}, {Limit{21, true}, 10, 3}, {Limit{5, true}, 0, 0},
	} {
		if got := tt.limit.Of(tt.total); got != tt.want {
			t.Errorf("%q of %d: got %d, want %d", tt.limit, tt.total, got, tt.want)
		}
	}
}

// trap: there --limit took whoever answered first.
func TestPick(t *testing.T) {
	names := numbers("web", 1, 100)
	ten := Limit{10, false}
	first := ten.Pick(names, 1)
	if len(first) != 10 || !slices.IsSortedFunc(first, func(a, b string) int { return slices.Index(names, a) - slices.Index(names, b) }) {
		t.Fatalf("picked %v", first)
	}
	reversed := slices.Clone(names)
	slices.Reverse(reversed)
	again := ten.Pick(reversed, 1)
	slices.Reverse(again)
	if !slices.Equal(first, again) {
		t.Errorf("the order of the names matters: %v, %v", first, again)
	}
	if slices.Equal(first, ten.Pick(names, 2)) {
		t.Error("another seed picks the same hosts")
	}
	if slices.Equal(first, names[:10]) {
		t.Error("picked the first ones")
	}
	changed := 0
	for _, name := range ten.Pick(append(slices.Clone(names), "web101", "web102"), 1) {
		if !slices.Contains(first, name) {
			changed++
		}
	}
	if changed > 2 {
		t.Errorf("two new hosts changed %d of 10", changed)
	}
	if got := (Limit{}).Pick(names, 1); !slices.Equal(got, names) {
		t.Errorf("no limit picks %v", got)
	}
	if got := ten.Pick(nil, 1); len(got) != 0 {
		t.Errorf("picked %v of nothing", got)
	}
}

// Over many seeds each host is picked about as often as any other.
func TestPickIsFair(t *testing.T) {
	names := numbers("web", 1, 20)
	count := map[string]int{}
	for seed := range int64(2000) {
		for _, name := range (Limit{25, true}).Pick(names, seed) {
			count[name]++
		}
	}
	for _, name := range names { // expected 500, standard deviation about 19
		if count[name] < 400 || count[name] > 600 {
			t.Errorf("%s was picked %d times of 2000", name, count[name])
		}
	}
}
