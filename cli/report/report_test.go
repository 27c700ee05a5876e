package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/plugin"
)

func TestSanitise(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"nginx 1.22.1-9+deb12u1", "nginx 1.22.1-9+deb12u1"},
		{"größer, 大きい, больше, أكبر", "größer, 大きい, больше, أكبر"},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\nb\r\tc", `a\nb\r\tc`},
		{"\u009b31m", `\u009b31m`},
		{"ab\u202ecd\u2066", `ab\u202ecd\u2066`},
		{"a\u200bb\u00a0c\ufeff", `a\u200bb\u00a0c\ufeff`},
		{"\xff\xfe", `\xff\xfe`},
		{"\U000e0041", `\U000e0041`},
		{"e" + strings.Repeat("\u0301", 5), "e" + strings.Repeat("\u0301", 3) + `\u0301\u0301`},
		{"\x00\x7f", `\x00\x7f`},
		{"\u3164", `\u3164`},
	} {
		if got := Sanitise(tt.in); got != tt.want {
			t.Errorf("Sanitise(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func FuzzSanitise(f *testing.F) {
	for _, s := range []string{"", "ok", "\x1b[2J", "a\u202eb", "\xc2\x9b", "\xff", "e\u0301\u0301\u0301\u0301", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Sanitise(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r) {
				t.Fatalf("%q lets %U through", s, r)
			}
		}
		if Sanitise(got) != got {
			t.Errorf("%q changes when done twice", s)
		}
		doc, err := marshal(map[string]string{s: s}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(doc) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("JSON lets %U through", r)
			}
		}
		var back map[string]string
		valid := strings.ToValidUTF8(s, "\ufffd")
		if err := json.Unmarshal(doc, &back); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if utf8.ValidString(s) && back[valid] != valid {
			t.Errorf("%q comes out of the JSON as %q", s, back)
		}
	})
}

// What is written as YAML reads back as the document, whatever hosts put into it, and is one line a value.
func FuzzYAML(f *testing.F) {
	f.Add("key", "value", int64(3), true)
	f.Add("a\nb: c", "- x\n- y", int64(-1), false)
	f.Add("true", "null", int64(0), true)
	f.Add("#", "1e3", int64(0), true)
	f.Add("\x1b[31m", "\u2028\u0085", int64(0), true)
	f.Fuzz(func(t *testing.T, k, v string, n int64, b bool) {
		if !utf8.ValidString(k) || !utf8.ValidString(v) || strings.ContainsRune(k+v, utf8.RuneError) {
			return
		}
		doc := map[string]any{"top": map[string]any{
			"x" + k: v, "list": []any{v, []any{k, []any{}}, map[string]any{"a": k, "b": []any{n}}}, "none": map[string]any{}, "bool": b, "n": n, "null": nil,
		}}
		raw, err := marshal(doc, "")
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		err = yamlFromJSON(bytes.NewReader(raw), &text)
		out := text.Bytes()
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		for _, r := range string(out) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("YAML lets %U through:\n%s", r, out)
			}
		}
		if lines := bytes.Count(out, []byte("\n")); lines != 13 {
			t.Fatalf("%d lines, want 13:\n%s", lines, out)
		}
		var back, want any
		if err := yaml.Unmarshal(out, &back); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(plainNumbers(back))
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(asJSON, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v\n%s", got, want, out)
		}
	})
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	}
	return v
}

func TestCompareNames(t *testing.T) {
	order := []string{"db1", "web", "web1", "web2", "web10", "web10.example.com"}
	for i := 1; i < len(order); i++ {
		if compareNames(order[i-1], order[i]) >= 0 || compareNames(order[i], order[i-1]) <= 0 {
			t.Errorf("%s does not come before %s", order[i-1], order[i])
		}
	}
}

func TestSummaries(t *testing.T) {
	var list []client.Outcome
	for i := range 3 {
		list = append(list, client.Outcome{Name: fmt.Sprint("h", i), State: job.OK, Data: map[string]any{"load": float64(i), "count": int64(i)}})
	}
	list = append(list, client.Outcome{Name: "gone", State: job.Silent}, client.Outcome{Name: "plain", State: job.OK})
	a := plugin.Action{Outputs: []plugin.Output{{Name: "load", Label: "Load"}, {Name: "count", Default: int64(7)}}}
	for _, tt := range []struct {
		s    plugin.Summary
		want string
	}{
		{plugin.Summary{Output: "load", By: plugin.Average}, "Summary of Load:\n   average = 1 over 3 hosts\n"},
		{plugin.Summary{Output: "load", By: plugin.Sum, Label: "All load"}, "All load:\n   sum = 3 over 3 hosts\n"},
		{plugin.Summary{Output: "count", By: plugin.CountValues}, "Summary of count:\n   0 = 1\n   1 = 1\n   2 = 1\n   7 = 1\n"},
		{plugin.Summary{Output: "none", By: plugin.CountValues}, ""},
	} {
		a.Summaries = []plugin.Summary{tt.s}
		all := summaries(a)
		for _, o := range list {
			all.add(o)
		}
		if got := all.String(); got != tt.want {
			t.Errorf("got\n%swant\n%s", got, tt.want)
		}
	}
}

func TestInventory(t *testing.T) {
	x := Inventory{Outcome: client.Outcome{Name: "web1", Data: map[string]any{
		"id": "n1", "facts": map[string]any{"os": map[string]any{"name": "Debian"}, "hagroup": "a\x1b"}, "classes": []any{"web"}, "labels": map[string]any{}, "extra": int64(1),
	}}}
	got, err := x.Render(Table, []Section{{Output: "id", Head: "Node"}, {Output: "labels", Head: "Labels"}, {Output: "classes", Head: "Classes"}, {Output: "facts", Head: "Facts"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `Inventory of web1:
   Node: n1

   Labels:
      none

   Classes:
      web

   Facts:
      hagroup = a\x1b
      os.name = Debian
   extra: 1
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBar(t *testing.T) {
	var b bytes.Buffer
	bar := NewBar(&b, "ping")
	bar.Update(0, 0)
	bar.Update(2, 4)
	bar.Update(2, 4)
	bar.Clear()
	const want = "\r\x1b[K * ping 0\r\x1b[K * ping [ ===================>                     ] 2 / 4\r\x1b[K"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	(*Bar)(nil).Update(1, 2)
	(*Bar)(nil).Clear()
}

// shown is a run as people see it.
func shown(t *testing.T, r Run, v View) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, Table, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Of a host whose outputs could not be kept all reports say so, and none counts a value of it.
func TestWhatIsLeftOutIsTold(t *testing.T) {
	r := Run{Action: plugin.Action{
		Outputs: []plugin.Output{{Name: "state", Default: "running"}}, Summaries: []plugin.Summary{{Output: "state", By: plugin.CountValues}},
	}, Results: client.Results{Outcomes: []client.Outcome{
		{Name: "a", State: job.OK, Message: "fine", LeftOut: "no room"}, {Name: "b", State: job.OK, LeftOut: "no room"}, {Name: "c", State: job.OK, Message: "fine"},
	}}}
	for _, tt := range []struct {
		f    Format
		v    View
		want string
	}{
		{Table, View{}, "   a: fine (the rest of its answer was left out)\n   b: (the rest of its answer was left out)\n   c: fine\nSummary of state:\n   running = 1\n\n3 hosts: 3 ok\n"},
		{Table, View{Quiet: true}, "   a: fine (the rest of its answer was left out)\n   b: (the rest of its answer was left out)\n\n3 hosts: 3 ok\n"},
		{Table, View{Verbose: true}, "   the rest of its answer was left out: no room\n"},
		{JSON, View{}, `"left_out": "no room"`},
		{JSON, View{}, `"running": 1`},
		{JSONL, View{}, `"message":"fine","left_out":"no room"`},
		{YAML, View{}, "left_out: no room\n"},
		{CSV, View{}, "a,ok,fine (the rest of its answer was left out),\n"},
	} {
		out, err := r.Render(tt.f, tt.v)
		if err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s %+v lacks %q: %v\n%s", tt.f, tt.v, tt.want, err, out)
		}
	}
}

// A document is the same whatever its arguments look like, and one without hosts is whole too.
func TestDocumentIsWhole(t *testing.T) {
	for _, hosts := range []int{0, 1, 3} {
		r := Run{Plugin: "p", Args: plugin.Args{"hosts": []any{}, "x": "\n  \"hosts\": []"}}
		for i := range hosts {
			r.Outcomes = append(r.Outcomes, client.Outcome{Name: fmt.Sprint("h", i), State: job.OK, Data: map[string]any{"hosts": []any{}}})
		}
		out, err := r.Render(JSON, View{})
		if err != nil {
			t.Fatal(err)
		}
		var doc runDocument
		if err := json.Unmarshal(out, &doc); err != nil || len(doc.Hosts) != hosts || doc.Tally[job.OK] != hosts || doc.Schema == "" {
			t.Errorf("%d hosts: %v\n%s", hosts, err, out)
		}
		if again, err := Marshal(doc); err != nil || string(again) != string(out) {
			t.Errorf("%d hosts: written as\n%s, which is\n%s", hosts, out, again)
		}
	}
}

func TestColourMarksTrouble(t *testing.T) {
	r := Run{Results: client.Results{Outcomes: []client.Outcome{{Name: "a", State: job.OK, Message: "fine"}, {Name: "b", State: job.Failed, Message: "x"}, {Name: "c", State: job.Silent}}}}
	got := shown(t, r, View{Colour: true})
	const want = "   a: fine\n   b: \x1b[31mfailed: x\x1b[0m\n\n3 hosts: 1 ok, 1 failed, 1 silent\nNo answer from:\n   c: \x1b[33msilent\x1b[0m\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	r := Run{Results: client.Results{Outcomes: []client.Outcome{{Name: "a", State: job.OK, Message: strings.Repeat("x", 400)}}}}
	if got := shown(t, r, View{}); !strings.Contains(got, "xxx… (100 more characters; -v shows them)\n") {
		t.Errorf("got %q", got)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{1500 * time.Microsecond: "1.5 ms", 96 * time.Millisecond: "96 ms", 2100 * time.Millisecond: "2.1 s", 90 * time.Second: "1m30s"} {
		if got := Duration(d); got != want {
			t.Errorf("%d is %s, want %s", d, got, want)
		}
	}
}
