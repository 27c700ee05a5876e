package facts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// A parser reads the text of one custom fact file. Structured formats are refused as a whole for one fault: half a
// structure is worse than a Problem that says in which line to look. Where each line is a fact of its own, there are facts
// beside the error, which names the lines that are none.
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
