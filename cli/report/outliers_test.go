package report

import (
	"fmt"
	"strings"
	"testing"

	"fleet/client"
	"fleet/job"
)

// kernels are hosts with these kernels, a rack a letter, and a fact that every host has for itself.
func kernels(racks string, kernels ...string) Run {
	var r Run
	for i, k := range kernels {
		facts := map[string]any{"rack": racks[i : i+1], "serial": int64(i), "os": map[string]any{"kernel": map[string]any{"release": k}}}
		if k == "" {
			delete(facts, "os")
		}
		r.Outcomes = append(r.Outcomes, client.Outcome{Name: fmt.Sprintf("h%d", i), State: job.OK, Data: map[string]any{"facts": facts, "labels": map[string]any{}}})
	}
	return r
}

func TestOutliers(t *testing.T) {
	many := make([]string, 12) // two of each value but the first
	for i := range many {
		many[i] = fmt.Sprintf("v%02d", i/2)
	}
	many = append([]string{"v00", "v00"}, append(many, "w1", "w1", "w2", "w2", "w3", "w3", "w4", "w4")...)
	for _, tt := range []struct {
		name string
		run  Run
		v    View
		want string
	}{
		{"several old kernels, and one host without", kernels("aaaacccb", "6", "6", "6", "6", "5", "5", "4", ""), View{}, `os.kernel.release: 4 of 8 hosts have 6

3 hosts with another value: h[4-6]
   all 3 have rack=c, and no other host does

2 hosts with 5: h[4-5]
   all 2 have rack=c, and 1 of the 6 others does

1 host with 4: h6
   it has rack=c, and 2 of the 7 others do

1 host without os.kernel.release: h7
   it has rack=b, and no other host does

8 hosts: 8 ok
`},
		{"nobody has another", kernels("ab", "6", "6"), View{}, "os.kernel.release: 2 of 2 hosts have 6\n   there are no outliers\n\n2 hosts: 2 ok\n"},
		{"quiet", kernels("ab", "6", "5"), View{Quiet: true}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Outliers{Run: tt.run, Name: "os.kernel.release"}.Render(Table, tt.v)
			if err != nil || string(got) != tt.want {
				t.Errorf("%v, got\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
	got, err := Outliers{Run: kernels(strings.Repeat("a", len(many)), many...), Name: "os.kernel.release"}.Render(Table, View{})
	if err != nil || !strings.Contains(string(got), "\n1 value more, on fewer hosts: fleet facts os.kernel.release\n") || strings.Contains(string(got), "with w4") {
		t.Errorf("%v, got\n%s", err, got)
	}
	csv, err := Outliers{Run: kernels("aab", "6", "6", "5"), Name: "os.kernel.release"}.Render(CSV, View{})
	if want := "host,os.kernel.release\nh2,5\n"; err != nil || string(csv) != want {
		t.Errorf("%v, got %q, want %q", err, csv, want)
	}
}
