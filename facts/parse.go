package facts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// A parser reads the text of one custom fact file. It refuses the whole file for one fault: half a file of facts is
// worse than a Problem that says in which line to look.
type parser func(data []byte) (map[string]any, error)

// parserFor says how a data file is read, by its suffix; nil means that the suffix is not one of a data file.
func parserFor(suffix string) parser {
	switch suffix {
	case ".json":
		return parseJSON
	case ".toml":
		return parseTOML
	case ".yaml", ".yml":
		return parseYAML
	case ".txt":
		return parseText
	}
	return nil
}

func parseJSON(data []byte) (map[string]any, error) {
	m, err := decodeJSON(trimBOM(data), &budget{values: maxValues})
	if err != nil {
		return nil, err
	}
	return foldNames(m)
}

func parseTOML(data []byte) (map[string]any, error) {
	if tooNested(data) {
		return nil, errNesting
	}
	var m map[string]any
	if err := toml.Unmarshal(trimBOM(data), &m); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("line %d: %s", at.Position.Line, at.Message)
		}
		return nil, err
	}
	v, err := clean(m, 0, &budget{values: maxValues})
	if err != nil {
		return nil, err
	}
	return foldNames(v.(map[string]any))
}

// parseText reads key=value lines; blank lines and those that begin with # are left out. Values stay text.
func parseText(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	m := map[string]any{}
	n := 0
	for line := range strings.Lines(string(trimBOM(data))) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: %.60q is not name=value", n, line)
		}
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if err := errors.Join(checkKey(key), checkString(value)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("line %d: %q is there twice", n, key)
		}
		if len(m) == maxValues {
			return nil, errTooMany
		}
		m[key] = value
	}
	return m, nil
}

// parseOutput reads what an executable printed: JSON if it begins with {, key=value if the first line with something in
// it has its = before any colon, else YAML.
func parseOutput(data []byte) (map[string]any, error) {
	data = bytes.TrimSpace(trimBOM(data))
	if len(data) == 0 {
		return map[string]any{}, nil
	}
	if data[0] == '{' {
		return parseJSON(data)
	}
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		equals, colon := bytes.IndexByte(line, '='), bytes.IndexByte(line, ':')
		if equals > 0 && (colon < 0 || equals < colon) {
			return parseText(data)
		}
		break
	}
	return parseYAML(data)
}

// foldNames puts the names of the facts, not those inside them, in lower case, as Facter does.
func foldNames(m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for name, v := range m {
		lower := strings.ToLower(name)
		if _, twice := out[lower]; twice {
			return nil, fmt.Errorf("%q is there twice, in upper and lower case", lower)
		}
		if err := checkKey(lower); err != nil { // lower case can be longer
			return nil, err
		}
		out[lower] = v
	}
	return out, nil
}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

var errNesting = fmt.Errorf("is nested more than %d deep", maxDepth)

// tooNested is a guess that errs on the side of parsing: it only has to catch what would exhaust a recursive parser.
// Brackets inside quotes are counted too, so the limit is far above maxDepth.
func tooNested(data []byte) bool {
	depth := 0
	for line := range bytes.Lines(data) {
		markers := 0 // "- - - -" and "? ? ?" open a level each in YAML, "a.a.a" in TOML
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth--
			case '.', '-', '?', ':':
				markers++
			}
			if depth > maxNesting || markers > maxNesting*10 {
				return true
			}
		}
	}
	return false
}
