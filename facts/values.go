package facts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// budget is what is left of the values that one file may define.
type budget struct{ values int }

var errTooMany = errors.New("defines too many values")

func (b *budget) take() error {
	if b.values--; b.values < 0 {
		return errTooMany
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("has a fact without a name")
	case len(key) > maxKey:
		return fmt.Errorf("has a name of %d bytes, at most %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key):
		return errors.New("has a name that is not valid UTF-8")
	case strings.IndexFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return fmt.Errorf("has a name that cannot be printed: %q", key)
	}
	return nil
}

func checkString(s string) error {
	switch {
	case len(s) > maxString:
		return fmt.Errorf("has a value of %d bytes, at most %d are allowed", len(s), maxString)
	case !utf8.ValidString(s):
		return errors.New("has a value that is not valid UTF-8")
	}
	return nil
}

func checkDepth(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("is nested more than %d deep", maxDepth)
	}
	return nil
}

// clean turns what the TOML decoder makes into the values that Facts may hold.
func clean(v any, depth int, b *budget) (any, error) {
	if err := errors.Join(b.take(), checkDepth(depth)); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		return v, checkString(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("has a number that is not finite")
		}
		return v, nil
	case time.Time:
		return timeText(v), nil
	case []map[string]any: // TOML's [[tables]]
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		b.values++ // counted once
		return clean(list, depth, b)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			c, err := clean(e, depth+1, b)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			if err := checkKey(key); err != nil {
				return nil, err
			}
			c, err := clean(e, depth+1, b)
			if err != nil {
				return nil, err
			}
			out[key] = c
		}
		return out, nil
	}
	return nil, fmt.Errorf("has a value of the kind %T, which no fact can have", v)
}

// timeText writes a TOML date or time as it stood in the file; the decoder tells the local kinds by their location.
func timeText(t time.Time) string {
	switch t.Location().String() {
	case "date-local":
		return t.Format("2006-01-02")
	case "time-local":
		return t.Format("15:04:05.999999999")
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}

// decodeJSON reads one JSON object token by token: encoding/json alone would take the last of two equal keys, turn
// whole numbers into floats and recurse as deep as the text says.
func decodeJSON(data []byte, b *budget) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	d := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), budget: b}
	d.dec.UseNumber()
	v, err := d.value(0)
	if err == nil {
		if _, end := d.dec.Token(); end != io.EOF {
			err = errors.New("has something after the end of the JSON text")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("ends in the middle")
		}
		line := 1 + bytes.Count(data[:min(d.dec.InputOffset(), int64(len(data)))], []byte("\n"))
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object of names and values")
	}
	return m, nil
}

type jsonReader struct {
	dec    *json.Decoder
	budget *budget
}

func (d *jsonReader) value(depth int) (any, error) {
	if err := errors.Join(d.budget.take(), checkDepth(depth)); err != nil {
		return nil, err
	}
	tok, err := d.dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '{' {
			return d.object(depth)
		}
		return d.list(depth)
	case json.Number:
		return number(tok)
	case string:
		return tok, checkString(tok)
	}
	return tok, nil // nil or bool
}

func (d *jsonReader) list(depth int) (any, error) {
	out := []any{}
	for d.dec.More() {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.dec.Token()
	return out, err
}

func (d *jsonReader) object(depth int) (any, error) {
	out := map[string]any{}
	for d.dec.More() {
		tok, err := d.dec.Token()
		if err != nil {
			return nil, err
		}
		key := tok.(string)
		if err := checkKey(key); err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%q is there twice", key)
		}
		if out[key], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := d.dec.Token()
	return out, err
}

// number keeps a whole number exact; one beyond int64 becomes a float, as every JSON reader has it.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("the number %.40s is too large", n)
	}
	return f, nil
}
