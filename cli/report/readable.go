package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An inventory is read by people: bytes and seconds get a unit, and long lists a line for each element. What is rounded
// is followed by the value itself, since that is what filters compare.

// maxInline is how many characters of a list stand on one line.
const maxInline = 90

// readable writes a value for eyes by the last part of its name: 23.54 GiB (25276514304), 3 d 4 h (273600).
func readable(name string, v any) string {
	n, ok := number(v)
	if !ok || n < 0 {
		return valueText(v)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	var text string
	switch {
	case last == "bytes" || strings.HasSuffix(last, "_bytes"), strings.HasPrefix(last, "blockdevice_") && strings.HasSuffix(last, "_size"):
		if text = byteText(n); n < 1<<10 {
			return text
		}
	case last == "seconds" || strings.HasSuffix(last, "_seconds"):
		if text = span(n); n < 60 {
			return text
		}
	default:
		return valueText(v)
	}
	return text + " (" + valueText(v) + ")"
}

// byteText writes a number of bytes: 12 bytes, 1.92 GiB.
func byteText(n float64) string {
	if n < 1<<10 {
		return strconv.FormatFloat(n, 'f', -1, 64) + " bytes"
	}
	units := [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := -1
	for n >= 1<<10 && i < len(units)-1 {
		n, i = n/(1<<10), i+1
	}
	return fmt.Sprintf("%.2f %s", n, units[i])
}

// span writes how many seconds something lasts, in its two largest units: 45 s, 22 min, 5 h 12 min, 3 d 4 h.
func span(seconds float64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	if seconds > 1<<53 {
		return strconv.FormatFloat(seconds, 'f', -1, 64) + " s"
	}
	switch s := int64(seconds); {
	case s < minute:
		return fmt.Sprintf("%d s", s)
	case s < hour:
		return fmt.Sprintf("%d min", s/minute)
	case s < day:
		return fmt.Sprintf("%d h %d min", s/hour, s%hour/minute)
	default:
		return fmt.Sprintf("%d d %d h", s/day, s%day/hour)
	}
}

// localTime shows a host's time as this machine's clock would; what is no time stays as it is.
func localTime(v any) string {
	text := valueText(v)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.Local().Format(Stamp)
	}
	return text
}

// lasting is a number of seconds for people.
func lasting(v any) string {
	if n, ok := number(v); ok && n >= 0 {
		return span(n)
	}
	return valueText(v)
}

// yesNo is true and false for people.
func yesNo(v any) string {
	if b, ok := v.(bool); ok {
		return map[bool]string{true: "yes", false: "no"}[b]
	}
	return valueText(v)
}

// eachLeaf calls f for every value under v with its dotted name, as filters take it: maps and lists of maps are entered.
func eachLeaf(name string, v any, depth int, f func(name string, v any)) {
	switch inner := v.(type) {
	case map[string]any:
		if depth > 0 && len(inner) > 0 {
			for _, k := range sortedKeys(inner) {
				eachLeaf(name+"."+k, inner[k], depth-1, f)
			}
			return
		}
	case []any:
		if depth > 0 && !flat(inner) {
			for i, e := range inner {
				eachLeaf(name+"."+strconv.Itoa(i), e, depth-1, f)
			}
			return
		}
	}
	f(name, v)
}

// flat reports whether there are neither maps nor lists in the list.
func flat(list []any) bool {
	for _, e := range list {
		switch e.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

// assign writes NAME = VALUE; a list too long for a line goes below it.
func assign(b *strings.Builder, indent, name string, v any) {
	list, isList := v.([]any)
	if !isList {
		fmt.Fprintf(b, "%s%s = %s\n", indent, Sanitise(name), Sanitise(readable(name, v)))
		return
	}
	elements := foldRepeats(list)
	line := strings.Join(elements, ", ")
	if len(list) == 0 {
		line = "(empty)"
	}
	if len(elements) <= 1 || utf8.RuneCountInString(line) <= maxInline {
		fmt.Fprintf(b, "%s%s = %s\n", indent, Sanitise(name), Sanitise(line))
		return
	}
	fmt.Fprintf(b, "%s%s =\n", indent, Sanitise(name))
	for _, e := range elements {
		fmt.Fprintf(b, "%s   %s\n", indent, Sanitise(e))
	}
}

// foldRepeats writes the elements of a list; the same several times in a row is one: Xeon (64 times).
func foldRepeats(list []any) []string {
	var out []string
	for i := 0; i < len(list); {
		text, from := valueText(list[i]), i
		for i < len(list) && valueText(list[i]) == text {
			i++
		}
		if n := i - from; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		out = append(out, text)
	}
	return out
}
