package facts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxFaults is how many lines of a file are named that are no facts; the rest is counted.
const maxFaults = 5

// faults are the lines of a file that were left out.
type faults struct {
	list []string
	more int
}

func (f *faults) add(line int, err error) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, fmt.Sprintf("line %d: %v", line, err))
}

// err is nil if there are none. taken says that there were other lines.
func (f *faults) err(taken bool) error {
	if len(f.list) == 0 {
		return nil
	}
	text := strings.Join(f.list, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	if taken {
		text += "; the other lines were taken"
	}
	return errors.New(text)
}

// parseText reads name=value lines; blank lines and those that begin with # are left out. Values stay text. Of two lines
// with one name the later wins, as it does among files.
func parseText(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	m, set := map[string]any{}, map[string]int{}
	var bad faults
	n := 0
	for line := range strings.Lines(string(trimBOM(data))) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			bad.add(n, fmt.Errorf("%.60q is not name=value", line))
			continue
		}
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if err := errors.Join(checkKey(key), checkString(value)); err != nil {
			bad.add(n, err)
			continue
		}
		if before, twice := set[key]; twice {
			bad.add(before, fmt.Errorf("%q is there again in line %d, which wins", key, n))
		} else if len(m) == maxValues {
			return nil, errTooMany
		}
		m[key], set[key] = value, n
	}
	return m, bad.err(len(m) > 0)
}

// parseOutput reads what an executable printed: JSON if it begins with {, name=value if the first line with something in
// it has its = before any colon, else YAML. Programs also say what they do: if it is none of these as a whole, lines that
// are no facts are left out and named.
func parseOutput(data []byte) (map[string]any, error) {
	data = bytes.TrimRight(trimBOM(data), " \t\r\n")
	first := firstLine(data)
	if len(first) == 0 {
		return map[string]any{}, nil
	}
	if isAssignment(first) {
		return parseText(data)
	}
	parse, braces := parser(parseYAML), bytes.TrimSpace(data)[0] == '{'
	if braces {
		parse = parseJSON
	}
	m, err := parse(data)
	if err == nil {
		return m, nil
	}
	isNoise := yamlNoise
	if from, to, ok := jsonLines(data); ok {
		parse, isNoise = parseJSON, func(n int, _ []byte) bool { return n < from || n > to }
	} else if !braces && hasPlainAssignment(data) {
		return parseText(data)
	}
	rest, bad := without(data, isNoise)
	if len(bad.list) == 0 {
		return nil, err
	}
	if m, err = parse(rest); err != nil {
		return nil, err
	}
	return m, bad.err(len(m) > 0)
}

// firstLine is the first with something in it but a comment.
func firstLine(data []byte) []byte {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return line
		}
	}
	return nil
}

func isAssignment(line []byte) bool {
	equals, colon := bytes.IndexByte(line, '='), bytes.IndexByte(line, ':')
	return equals > 0 && (colon < 0 || equals < colon)
}

// hasPlainAssignment reports whether a line is name=value and the name is one word: prose is not, nor what stands indented
// in YAML.
func hasPlainAssignment(data []byte) bool {
	for line := range bytes.Lines(data) {
		name, _, _ := bytes.Cut(line, []byte("="))
		if isAssignment(line) && !bytes.ContainsAny(name, " \t\"'[]{}(),") && line[0] != '#' && line[0] != '-' {
			return true
		}
	}
	return false
}

// jsonLines are the lines, from 1, from the first that begins with { to the last that ends with }.
func jsonLines(data []byte) (from, to int, ok bool) {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimRight(line, " \t\r\n")
		if from == 0 && len(line) > 0 && line[0] == '{' {
			from = n
		}
		if from > 0 && len(line) > 0 && line[len(line)-1] == '}' {
			to = n
		}
	}
	return from, to, to > 0
}

// yamlNoise reports whether a line cannot be a part of a mapping: it stands at the left without a colon, and begins nothing.
func yamlNoise(_ int, line []byte) bool {
	return !bytes.ContainsRune([]byte(" \t-.#{}[]\"'?|>%&*!"), rune(line[0])) && !bytes.Contains(line, []byte(":"))
}

// without empties the lines that are noise, so that the others keep their numbers, and names them.
func without(data []byte, isNoise func(n int, line []byte) bool) (rest []byte, bad faults) {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if text := bytes.TrimSpace(line); len(text) > 0 && isNoise(n, line) {
			bad.add(n, fmt.Errorf("%.60q is no fact", text))
			line = []byte("\n")
		}
		rest = append(rest, line...)
	}
	return rest, bad
}
