package facts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fuzzParser holds what every parser of custom facts must keep: no panic, only the values that Facts may have, within
// the bounds, names in lower case, and the same facts again after a trip through JSON, which is how they travel.
func fuzzParser(f *testing.F, parse parser, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFile {
			return
		}
		m, err := parse(data)
		if err != nil {
			if len(err.Error()) > 2*maxFile {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if m == nil {
				return
			}
		}
		checkParsed(t, m)
	})
}

func checkParsed(t *testing.T, m map[string]any) {
	t.Helper()
	checkKinds(t, "", m)
	for name := range m {
		if name != strings.ToLower(name) || len(name) > maxKey {
			t.Errorf("the name %q", name)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Facts
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	again, err := json.Marshal(back)
	if err != nil || !reflect.DeepEqual(text, again) {
		t.Errorf("%s became %s, %v", text, again, err)
	}
}

func FuzzParseText(f *testing.F) {
	fuzzParser(f, parseText, "a=1\nB = 2\r\n# c\n\n", "a", "=", "a=\x00", "\xef\xbb\xbfa=1", "a=1\na=2", "İ=1")
}

func FuzzParseJSON(f *testing.F) {
	fuzzParser(f, parseJSON, `{"a": 1, "b": [1.5, null, true, {"c": "d"}]}`, `{"a":1,"a":2}`, `{`, `[]`, `{"a":1e400}`, `{"a":-0}`, `{"a":"\ud800"}`, `{} {}`, strings.Repeat(`[`, 100))
}

func FuzzParseTOML(f *testing.F) {
	fuzzParser(f, parseTOML, "a = 1\n[b]\nc = [1.5, 'x']\n[[d]]\ne = true\n", "a = 2026-01-02", "a = 07:32:00", "a = inf", "a.b.c = {d = 1}", "a = '''\nx'''", "\"\" = 1", "a = [[[[[[]]]]]]")
}

func FuzzParseYAML(f *testing.F) {
	fuzzParser(f, parseYAML, "a: 1\nb:\n  - 1.5\n  - {c: d}\n", "a: &x [1]\nb: *x\n", "<<: {a: 1}", "? a\n: b", "a: |\n  x\n", "a: !!str 1", "---\n---\n", "a: .nan", "- - - -", "a: 0x1F\nb: 0o17\nc: 1_000",
		"a: b: c", "\"a\": 'b'", "{a: [b, {c: }]}", "%YAML 1.2\n---\na: 1\n...\n")
}

func FuzzParseOutput(f *testing.F) {
	fuzzParser(f, parseOutput, `{"a":1}`, "a=1\n", "a: 1\n", "#\n\na=b: c", "")
}

func FuzzOSRelease(f *testing.F) {
	for _, name := range []string{"debian12", "ubuntu2204", "rocky9", "sles15", "alpine", "arch"} {
		data, err := os.ReadFile(filepath.Join("testdata", name, "etc/os-release"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(`ID="a\"b\\"` + "\nX='\nY=\"")
	f.Fuzz(func(t *testing.T, text string) {
		rel := parseOSRelease(text)
		describe(rel)
		for key, v := range rel {
			if key == "" || len(v) > len(text) {
				t.Errorf("%q = %q", key, v)
			}
		}
	})
}

func FuzzInstanceData(f *testing.F) {
	f.Add([]byte(instanceJSON))
	f.Add([]byte(`{"v1": {"cloud_name": 5}, "ds": []}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseInstanceData(data)
		if err != nil {
			return
		}
		checkKinds(t, "", m)
		if text, err := json.Marshal(m); err != nil || strings.Contains(string(text), `"security-credentials":`) {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// Small files that make naive readers slow or large. Each must end, refused or not, long before the test's limit.
func TestHostileFiles(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += string(c) + ": &" + string(c) + " [*" + strings.Join(strings.Split(strings.Repeat(string(c-1), 9), ""), ",*") + "]\n"
	}
	for name, parse := range map[string]parser{"json": parseJSON, "toml": parseTOML, "yaml": parseYAML, "text": parseText, "output": parseOutput} {
		size := maxFile
		if name == "yaml" || name == "output" {
			size = maxYAML
		}
		many := func(s string) string { return strings.Repeat(s, size/len(s)) }
		t.Run(name, func(t *testing.T) {
			for _, in := range []string{laughs, many("["), many("{"), "a = " + many("["), `{"a":` + many("["), many("a."), "a: " + many("- "), many("- "), many("? "), many("a: "),
				many("a:\n "), many(" "), many("\n"), many("\t"), many("'"), many(`"`), many("#"), many("|\n"), many("&a "), many("*a "), many("!"), many("[a]\n"), many("[[a]]\n"),
				"a = " + many("{a="), "{" + many("a: {"), many("a=1\n"), many("\x00"), many("\xff"), many("%"), many("---\n"), many("...\n")} {
				start := time.Now()
				parse([]byte(in))
				if d := time.Since(start); d > 500*time.Millisecond {
					t.Logf("%.20q took %s", in, d)
				}
			}
		})
	}
}
