package facts

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	yamlparser "github.com/goccy/go-yaml/parser"
)

// parseYAML reads one YAML document. It walks the syntax tree itself, so that each fault has its line, a name given
// twice is one, and aliases, which can make a small file enormous, are refused together with anchors, tags and merges.
// Words are YAML 1.2's: yes and no are text, true and false are not.
func parseYAML(data []byte) (map[string]any, error) {
	if len(data) > maxYAML {
		return nil, fmt.Errorf("is larger than %d KiB, too much for YAML; hint: write it as JSON", maxYAML>>10)
	}
	if tooNested(data) {
		return nil, errNesting
	}
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	file, err := yamlparser.ParseBytes(trimBOM(data), 0)
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			return nil, fmt.Errorf("line %d: %s", at.GetToken().Position.Line, at.GetMessage())
		}
		return nil, fmt.Errorf("is not YAML: %.200s", err.Error())
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, fmt.Errorf("line %d: a second document begins", line(doc.Body))
		}
		body = doc.Body
	}
	if body == nil {
		return map[string]any{}, nil
	}
	v, err := yamlValue(body, 0, &budget{values: maxValues})
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case map[string]any:
		return foldNames(v)
	case nil:
		return map[string]any{}, nil
	}
	return nil, errors.New("is not a YAML mapping of names to values")
}

func yamlValue(n ast.Node, depth int, b *budget) (any, error) {
	if err := errors.Join(b.take(), checkDepth(depth)); err != nil {
		return nil, at(n, err)
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.IntegerNode:
		if text := n.GetToken().Value; zeroPadded(text) {
			return text, nil
		}
		switch i := n.Value.(type) {
		case int64:
			return i, nil
		case uint64:
			if i <= 1<<63-1 {
				return int64(i), nil
			}
			return float64(i), nil
		}
		return nil, at(n, errors.New("has a number that is too large"))
	case *ast.FloatNode:
		if text := n.GetToken().Value; zeroPadded(text) {
			return text, nil
		}
		v, err := clean(n.Value, depth, &budget{values: 1})
		return v, at(n, err)
	case *ast.StringNode:
		return n.Value, at(n, checkString(n.Value))
	case *ast.LiteralNode:
		return n.Value.Value, at(n, checkString(n.Value.Value))
	case *ast.SequenceNode:
		out := make([]any, 0, len(n.Values))
		for _, e := range n.Values {
			v, err := yamlValue(e, depth+1, b)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case *ast.MappingNode:
		return yamlMap(n.Values, depth, b)
	case *ast.MappingValueNode:
		return yamlMap([]*ast.MappingValueNode{n}, depth, b)
	}
	return nil, at(n, fmt.Errorf("has %s, which facts cannot have; write plain names and values", strings.ToLower(n.Type().YAMLName())))
}

// zeroPadded reports whether a number is written with zeros in front, as asset and serial numbers are: then it is text, as it
// stands there. YAML 1.1 would read 0012345 as the octal 5349, YAML 1.2 as 12345; whoever wrote it looks for 0012345.
func zeroPadded(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	return len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'
}

func yamlMap(entries []*ast.MappingValueNode, depth int, b *budget) (any, error) {
	out := make(map[string]any, len(entries))
	for _, e := range entries {
		var key string
		switch k := e.Key.(type) {
		case *ast.StringNode:
			key = k.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
			key = k.GetToken().Value
		default:
			return nil, at(e, errors.New("has a name that is not plain text (anchors, merges and tags are not for facts)"))
		}
		if err := checkKey(key); err != nil {
			return nil, at(e, err)
		}
		if _, twice := out[key]; twice {
			return nil, at(e, fmt.Errorf("%q is there twice", key))
		}
		v, err := yamlValue(e.Value, depth+1, b)
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	return out, nil
}

// at puts the line in front of an error.
func at(n ast.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("line %d: %w", line(n), err)
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}
