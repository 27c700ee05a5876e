package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// document reads JSON token by token, because only so a key given twice is noticed, the case of keys counts, depth is
// bounded before it is followed, and each error has a place.
type document struct {
	data []byte
	dec  *json.Decoder
}

func newDocument(data []byte) *document {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return &document{data, dec}
}

// position is where the reader stands: behind what was read last.
func (d *document) position() string {
	before := d.data[:min(int(d.dec.InputOffset()), len(d.data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("line %d, column %d", line, column)
}

func (d *document) token() (json.Token, error) {
	t, err := d.dec.Token()
	if errors.Is(err, io.EOF) {
		err = errors.New("the text ends in the middle")
	}
	return t, err
}

// object reads an object; field is called for each key and reads its value.
func (d *document) object(field func(key string) error) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	return d.fields(field)
}

// fields reads an object from behind its brace.
func (d *document) fields(field func(key string) error) error {
	seen := map[string]bool{}
	for d.dec.More() {
		t, err := d.token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder lets nothing else be a key
		if seen[key] {
			return fmt.Errorf("the key %q is listed twice", clip(key))
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

// array reads an array; element is called to read each element. null is an empty array.
func (d *document) array(element func() error) error {
	t, err := d.token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.New("expected an array")
	}
	return d.elements(element)
}

// elements reads an array from behind its bracket.
func (d *document) elements(element func() error) error {
	for d.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

func (d *document) open(delim json.Delim, what string) error {
	t, err := d.token()
	if err == nil && t != delim {
		err = errors.New(what + " expected here")
	}
	return err
}

func (d *document) text() (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", errors.New("expected text in quotes")
	}
	return s, nil
}

func (d *document) texts() (list []string, err error) {
	err = d.array(func() error {
		s, err := d.text()
		list = append(list, s)
		return err
	})
	return list, err
}

// value reads any value: nil, bool, string, int64, float64, []any or map[string]any.
func (d *document) value(depth int) (any, error) {
	t, err := d.token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i, nil
		}
		return t.Float64()
	case json.Delim:
		if depth == maxValueDepth {
			return nil, fmt.Errorf("nested more than %d deep", maxValueDepth)
		}
		if t == '[' {
			list := []any{}
			err := d.elements(func() error {
				v, err := d.value(depth + 1)
				list = append(list, v)
				return err
			})
			return list, err
		}
		m := map[string]any{}
		err := d.fields(func(key string) (err error) {
			m[key], err = d.value(depth + 1)
			return err
		})
		return m, err
	}
	return t, nil
}

// end verifies that nothing follows.
func (d *document) end() error {
	if _, err := d.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end")
	}
	return nil
}

// readBounded reads all of r, at most limit bytes.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("longer than %d MiB", limit>>20)
	}
	return data, nil
}

// withoutMark takes off the byte order mark that programs from Windows put before text.
func withoutMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\uFEFF")) }
