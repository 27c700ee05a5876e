package facts

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name   string
		parse  parser
		in     string
		want   map[string]any
		faulty string
	}{
		{"text", parseText, "# a comment\n\nhagroup=c\r\n Rack = 12 \nurl=http://x/?a=b\nempty=\n",
			map[string]any{"hagroup": "c", "rack": "12", "url": "http://x/?a=b", "empty": ""}, ""},
		{"text with a BOM", parseText, "\xef\xbb\xbfa=1", map[string]any{"a": "1"}, ""},
		{"text without =", parseText, "a=1\nnonsense here\nb=2\n", map[string]any{"a": "1", "b": "2"}, `line 2: "nonsense here" is not name=value; the other lines were taken`},
		{"text, only nonsense", parseText, "nonsense here\n", map[string]any{}, `line 1: "nonsense here" is not name=value`},
		{"text, much nonsense", parseText, strings.Repeat("nonsense\n", 9) + "a=1", map[string]any{"a": "1"}, `line 5: "nonsense" is not name=value; and 4 more; the other lines were taken`},
		{"text, no name", parseText, "=1\nb=2", map[string]any{"b": "2"}, "line 1: has a fact without a name"},
		{"text twice", parseText, "a=1\nA=2\n", map[string]any{"a": "2"}, `line 1: "a" is there again in line 2, which wins`},
		{"text, too many", parseText, manyLines(maxValues + 1), nil, "too many values"},
		{"text, not UTF-8", parseText, "a=\xff\n", nil, "UTF-8"},
		{"json", parseJSON, `{"Role": "web", "n": 3, "f": 1.5, "big": 18446744073709551616, "yes": true, "none": null, "deep": {"List": [1, "a", {}]}}`,
			map[string]any{"role": "web", "n": int64(3), "f": 1.5, "big": 18446744073709551616.0, "yes": true, "none": nil,
				"deep": map[string]any{"List": []any{int64(1), "a", map[string]any{}}}}, ""},
		{"json twice", parseJSON, "{\"a\": 1,\n\"b\": {\"c\": 1,\n\"c\": 2}}", nil, `line 3: "c" is there twice`},
		{"json twice by case", parseJSON, `{"a": 1, "A": 2}`, nil, `"a" is there twice`},
		{"json cut off", parseJSON, `{"a": 1,`, nil, "line 1: ends in the middle"},
		{"json, empty", parseJSON, ``, nil, "ends in the middle"},
		{"json list", parseJSON, `[1]`, nil, "not a JSON object"},
		{"json and more", parseJSON, `{} {}`, nil, "after the end"},
		{"json bad", parseJSON, "{\n\"a\": nope}", nil, "line 2: invalid character"},
		{"json deep", parseJSON, strings.Repeat(`{"a":`, 30), nil, "nested more than 16 deep"},
		{"json, huge number", parseJSON, `{"a": 1e999}`, nil, "too large"},
		{"json, many", parseJSON, `{"a": [` + strings.Repeat("1,", maxValues) + `1]}`, nil, "too many values"},
		{"toml", parseTOML, "role = 'web'\nn = 3\nwhen = 2026-01-02\nat = 2026-01-02T03:04:05Z\nclock = 07:32:00\n[deep]\nlist = [1, 'a']\n[[table]]\nx = 1.5\n",
			map[string]any{"role": "web", "n": int64(3), "when": "2026-01-02", "at": "2026-01-02T03:04:05Z", "clock": "07:32:00",
				"deep": map[string]any{"list": []any{int64(1), "a"}}, "table": []any{map[string]any{"x": 1.5}}}, ""},
		{"toml twice", parseTOML, "a = 1\na = 2\n", nil, "line 2: "},
		{"toml infinite", parseTOML, "a = inf\n", nil, "not finite"},
		{"toml deep", parseTOML, "a = " + strings.Repeat("[", 5000), nil, "nested"},
		{"toml rather deep", parseTOML, "a = " + strings.Repeat("[", 30) + strings.Repeat("]", 30), nil, "nested"},
		{"yaml", parseYAML, "---\nRole: web\nn: 3\nasset: 0012345\nrelease: 08.10\nsigned: -07\nzero: 0\nless: 0.5\nf: 1.5\nyes: true\nword: yes\nnone: null\nempty:\ntext: |\n  a\n  b\nquoted: \"a\\tb\"\ndeep:\n  list:\n    - 1\n    - {a: b}\n8080: open\n",
			map[string]any{"role": "web", "n": int64(3), "asset": "0012345", "release": "08.10", "signed": "-07", "zero": int64(0), "less": 0.5, "f": 1.5, "yes": true, "word": "yes", "none": nil, "empty": nil, "text": "a\nb\n", "quoted": "a\tb",
				"deep": map[string]any{"list": []any{int64(1), map[string]any{"a": "b"}}}, "8080": "open"}, ""},
		{"yaml, nothing", parseYAML, "# only a comment\n", map[string]any{}, ""},
		{"yaml twice", parseYAML, "a: 1\nb: 2\na: 3\n", nil, "line 3: "},
		{"yaml alias", parseYAML, "a: &x [1]\nb: *x\n", nil, "line 1: has anchor"},
		{"yaml merge", parseYAML, "b:\n  <<: {a: 1}\n", nil, "line 2: has a name that is not plain text"},
		{"yaml tag", parseYAML, "a: !!binary aGk=\n", nil, "line 1: has tag"},
		{"yaml list", parseYAML, "- a\n", nil, "not a YAML mapping"},
		{"yaml, two documents", parseYAML, "a: 1\n---\nb: 2\n", nil, "line 3: a second document"},
		{"yaml bad", parseYAML, "a: 1\n b: [\n", nil, "line "},
		{"yaml infinite", parseYAML, "a: .inf\n", nil, "line 1: has"},
		{"yaml, large", parseYAML, "a: " + strings.Repeat("x", maxYAML), nil, "larger than 64 KiB"},
		{"output json", parseOutput, "\n {\"a\": 1}\n", map[string]any{"a": int64(1)}, ""},
		{"output text", parseOutput, "# hi\na=b: c\nd=e\n", map[string]any{"a": "b: c", "d": "e"}, ""},
		{"output yaml", parseOutput, "a: b=c\n", map[string]any{"a": "b=c"}, ""},
		{"output nothing", parseOutput, " \n", map[string]any{}, ""},
		{"output prose", parseOutput, "command not found\n", map[string]any{}, `line 1: "command not found" is no fact`},
		{"output, prose before text", parseOutput, "Loading modules...\nrole=web\n", map[string]any{"role": "web"}, `line 1: "Loading modules..." is not name=value; the other`},
		{"output, a warning before text", parseOutput, "\nWarning: low disk\nrole=web\n", map[string]any{"role": "web"}, `line 2: "Warning: low disk" is not name=value; the other`},
		{"output, prose after text", parseOutput, "role=web\ndone", map[string]any{"role": "web"}, `line 2: "done" is not`},
		{"output, prose before YAML", parseOutput, "Loading modules\n---\nrole: web\nlist:\n- a=b\n- c\n", map[string]any{"role": "web", "list": []any{"a=b", "c"}}, `line 1: "Loading modules" is no fact; the other`},
		{"output, prose in YAML", parseOutput, "role: web\nDone.\nrack: 3\n", map[string]any{"role": "web", "rack": int64(3)}, `line 2: "Done." is no fact`},
		{"output, prose around JSON", parseOutput, "Loading: modules\n{\n \"role\": {\"a\": 1}\n}\nDone.\n", map[string]any{"role": map[string]any{"a": int64(1)}}, `line 1: "Loading: modules" is no fact; line 5: "Done." is no fact`},
		{"output, YAML in braces", parseOutput, "---\n{a: 1}", map[string]any{"a": int64(1)}, ""},
		{"output, JSON below a comment", parseOutput, "# facts\n{\"a\": 1}", map[string]any{"a": int64(1)}, ""},
		{"output, broken JSON after prose", parseOutput, "Loading\n{\"a\": nope}", nil, "line 2: invalid character"},
		{"output, broken JSON", parseOutput, "{\"a\": nope\nb=1", nil, "line 1: "},
		{"output, broken YAML", parseOutput, "a: 1\nb: [\n", nil, "line "},
		{"output, YAML with an alias", parseOutput, "a: &x [1]\nb: *x\n", nil, "line 1: has anchor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.parse([]byte(tt.in))
			if tt.faulty != "" {
				if err == nil || !strings.Contains(err.Error(), tt.faulty) || !reflect.DeepEqual(got, tt.want) {
					t.Fatalf("got %#v, %v; want %#v and an error with %q", got, err, tt.want, tt.faulty)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("got %#v, %v; want %#v", got, err, tt.want)
			}
		})
	}
}

func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "f%d=1\n", i)
	}
	return b.String()
}
