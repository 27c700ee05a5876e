package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Format is a way to print an answer.
type Format string

const (
	Table Format = "table" // for people
	JSON  Format = "json"  // one document
	JSONL Format = "jsonl" // one document a host and line
	YAML  Format = "yaml"  // the JSON document as YAML
	CSV   Format = "csv"   // a head, then one line a host
	Name  Format = "name"  // host names, one a line
)

// Formats are all there are.
var formats = [...]Format{Table, JSON, JSONL, YAML, CSV, Name}

// ParseFormat reads the name of a format.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(formats[:], f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q; use table, json, jsonl, yaml, csv or name", s)
}

// document is an answer in all shapes that programs read.
type document struct {
	whole  any   // json, yaml
	each   []any // jsonl
	header []string
	rows   [][]string // csv
	names  []string
}

// encode writes the document; f is not Table.
func (d document) encode(f Format) ([]byte, error) {
	switch f {
	case JSON:
		return marshal(d.whole, "  ")
	case JSONL:
		var b bytes.Buffer
		for _, v := range d.each {
			line, err := marshal(v, "")
			if err != nil {
				return nil, err
			}
			b.Write(line)
		}
		return b.Bytes(), nil
	case YAML:
		text, err := marshal(d.whole, "")
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = yamlFromJSON(bytes.NewReader(text), &b)
		return b.Bytes(), err
	case CSV:
		var b bytes.Buffer
		for _, cells := range append([][]string{d.header}, d.rows...) {
			if err := row(&b, cells); err != nil {
				return nil, err
			}
		}
		return b.Bytes(), nil
	case Name:
		var b strings.Builder
		for _, n := range d.names {
			b.WriteString(Sanitise(n) + "\n")
		}
		return []byte(b.String()), nil
	}
	return nil, fmt.Errorf("%q is not a machine-readable format", f)
}

// row writes a line of a CSV file.
func row(w io.Writer, texts []string) error {
	cells := make([]string, len(texts))
	for i, t := range texts {
		cells[i] = cell(t)
	}
	_, err := io.WriteString(w, strings.Join(cells, ",")+"\n")
	return err
}

// cell is foreign text as a cell of a CSV file. What a spreadsheet would take for a formula gets an apostrophe in front, as
// OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection); numbers and a lone dash stay as they are.
func cell(text string) string {
	text = Sanitise(text)
	start := strings.TrimLeft(text, " \"'\u00a0")
	_, err := strconv.ParseFloat(start, 64)
	number := err == nil && strings.Trim(start, "+-.0123456789eE") == ""
	if start != "" && start != "-" && !number && strings.ContainsRune("=+-@＝＋－＠", []rune(start)[0]) {
		text = "'" + text
	}
	// In quotes (RFC 4180) also where encoding/csv would not: many spreadsheets split at semicolons.
	if strings.ContainsAny(text, ",;\"\t\r\n") || strings.HasPrefix(text, " ") {
		text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}

// Marshal writes a document of cli's own as JSON, indented.
func Marshal(v any) ([]byte, error) { return marshal(v, jsonIndent) }

const jsonIndent = "  "

// marshalIn writes a part of such a document: each line but the first begins with margin.
func marshalIn(v any, margin string) ([]byte, error) { return encodeJSON(v, margin, jsonIndent) }

func marshal(v any, indent string) ([]byte, error) { return encodeJSON(v, "", indent) }

func encodeJSON(v any, margin, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(margin, indent)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return EscapeJSON(b.Bytes()), nil
}

// maxDepth bounds how deep a host's answer is followed; the wire bounds it as well.
const maxDepth = 32

// portable turns a value that a host sent into what every format can hold: numbers that JSON lacks become text, and
// byte strings and unusual keys too.
func portable(v any, depth int) any {
	if depth == 0 {
		return "..."
	}
	switch v := v.(type) {
	case nil, bool, string, int64, uint64, int:
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = portable(e, depth-1)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = portable(e, depth-1)
		}
		return out
	}
	return fmt.Sprint(v)
}

func portableData(data map[string]any) map[string]any {
	if len(data) == 0 {
		return nil
	}
	return portable(data, maxDepth).(map[string]any)
}

// valueText writes a value for a cell or a line: lists with commas, maps as NAME=VALUE, both without end in braces.
func valueText(v any) string { return textWithin(v, maxDepth) }

func textWithin(v any, depth int) string {
	if depth == 0 {
		return "..."
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = nested(e, depth)
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range sortedKeys(v) {
			parts = append(parts, k+"="+nested(v[k], depth))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}

func nested(v any, depth int) string {
	text := textWithin(v, depth-1)
	switch v.(type) {
	case []any, map[string]any:
		return "{" + text + "}"
	}
	return text
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Stamp is how a time is shown to people: in this machine's time zone, and with its name.
const Stamp = "2006-01-02 15:04:05 MST"
