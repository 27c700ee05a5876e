package plugin

import (
	"fmt"
	"strings"
)

// maxNesting bounds how deep outputs are looked at; what can be sent is less.
const maxNesting = 32

// Readable replaces what is not UTF-8: plugins pass on what programs print.
func Readable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ReadableData returns outputs with all text made readable. It fails where they are nested too deep to be sent.
func ReadableData(data map[string]any) (map[string]any, error) {
	if data == nil {
		return nil, nil
	}
	clean, err := readableValue(data, 0)
	if err != nil {
		return nil, err
	}
	return clean.(map[string]any), nil
}

func readableValue(v any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("values are nested more than %d deep", maxNesting)
	}
	switch v := v.(type) {
	case string:
		return Readable(v), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = readableValue(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			value, err := readableValue(v[name], depth+1)
			if err != nil {
				return nil, err
			}
			out[Readable(name)] = value
		}
		return out, nil
	}
	return v, nil
}
