package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"fleet/internal/lazyregexp"
)

// yamlFromJSON writes a JSON document as YAML 1.2. Every key and text that is not plainly a word is quoted, on one line,
// with what could steer a terminal escaped: a host that sends line breaks in a key cannot add lines to the document.
func yamlFromJSON(doc io.Reader, out io.Writer) error {
	dec := json.NewDecoder(doc)
	dec.UseNumber()
	w := yamlWriter{dec: dec, out: bufio.NewWriter(out)}
	t, err := dec.Token()
	if err == nil {
		err = w.value(t, "", false)
	}
	if err == nil || err == io.EOF {
		err = w.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return nil
}

type yamlWriter struct {
	dec *json.Decoder
	out *bufio.Writer // keeps its first error
}

// value writes what t begins. A collection begins behind a dash on its line (inline), or on the next line.
func (w *yamlWriter) value(t json.Token, indent string, inline bool) error {
	if d, ok := t.(json.Delim); ok {
		if !w.dec.More() {
			_, err := w.dec.Token()
			fmt.Fprintf(w.out, " %s\n", map[json.Delim]string{'{': "{}", '[': "[]"}[d])
			return err
		}
		if d == '[' {
			return w.sequence(indent, inline)
		}
		return w.mapping(indent, inline)
	}
	w.out.WriteString(" " + yamlScalar(t) + "\n")
	return nil
}

func (w *yamlWriter) mapping(indent string, inline bool) error {
	if !inline && indent != "" {
		w.out.WriteString("\n")
	}
	for first := true; w.dec.More(); first = false {
		key, err := w.dec.Token()
		if err != nil {
			return err
		}
		lead := indent
		if first && inline {
			lead = " "
		}
		w.out.WriteString(lead + yamlScalar(key) + ":")
		v, err := w.dec.Token()
		if err == nil {
			err = w.value(v, indent+"  ", false)
		}
		if err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *yamlWriter) sequence(indent string, inline bool) error {
	if !inline && indent != "" {
		w.out.WriteString("\n")
	}
	for first := true; w.dec.More(); first = false {
		v, err := w.dec.Token()
		if err != nil {
			return err
		}
		lead := indent
		if first && inline {
			lead = " "
		}
		w.out.WriteString(lead + "-")
		if err := w.value(v, indent+"  ", true); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// yamlWord is text that no YAML reader takes for anything else: it begins with a letter and is none of the words for
// true, false and nothing.
var (
	yamlWord    = lazyregexp.New(`\A[A-Za-z][A-Za-z0-9_./+@~-]*( [A-Za-z0-9_./+@~-]+)*\z`)
	yamlSpecial = lazyregexp.New(`(?i)\A(true|false|yes|no|on|off|y|n|null|inf|nan)\z`)
)

func yamlScalar(t json.Token) string {
	switch v := t.(type) {
	case nil:
		return "null"
	case string:
		if yamlWord().MatchString(v) && !yamlSpecial().MatchString(v) {
			return v
		}
		return yamlQuote(v)
	default:
		return fmt.Sprint(v)
	}
}

// yamlQuote writes s in double quotes with the escapes of YAML 1.2, section 5.7.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError || visible(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
