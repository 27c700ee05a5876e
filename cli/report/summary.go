package report

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fleet/client"
	"fleet/plugins/plugin"
)

// maxValues is how many values one count shows; -o json has all.
const maxValues = 50

// maxCounted bounds the values that are counted, in bytes: of longer ones it is their beginning and their hash.
const maxCounted = 1 << 10

// countedAs is a value as it is counted.
func countedAs(v any) string {
	text := valueText(v)
	if len(text) <= maxCounted {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes, SHA-256 %x)", strings.ToValidUTF8(strings.Clone(text[:maxCounted]), ""), len(text), sha256.Sum256([]byte(text)))
}

// declared is an output of the action.
func declared(a plugin.Action, name string) plugin.Output {
	for _, o := range a.Outputs {
		if o.Name == name {
			return o
		}
	}
	return plugin.Output{Name: name}
}

// sums are an action's declared summaries for people.
type sums []*sum

type sum struct {
	plugin.Summary
	output plugin.Output
	count  map[string]int // CountValues: how many hosts have each
	total  float64
	n      int // hosts with a number
}

func summaries(a plugin.Action) (all sums) {
	for _, s := range a.Summaries {
		all = append(all, &sum{Summary: s, output: declared(a, s.Output), count: map[string]int{}})
	}
	return all
}

// add takes a host in. One that gave no value is not counted.
func (all sums) add(o client.Outcome) {
	for _, s := range all {
		v := outputOf(s.output, o)
		if v == nil {
			continue
		}
		if s.By == plugin.CountValues {
			s.count[countedAs(v)]++
		} else if f, ok := number(v); ok {
			s.total, s.n = s.total+f, s.n+1
		}
	}
}

// String is all that have a value.
func (all sums) String() string {
	var b strings.Builder
	for _, s := range all {
		head := s.Label
		if head == "" {
			head = "Summary of " + labelOf(s.output)
		}
		if s.By == plugin.CountValues {
			b.WriteString(counts(head, s.count, nil))
			continue
		}
		if s.n == 0 {
			continue
		}
		what, value := "sum", s.total
		if s.By == plugin.Average {
			what, value = "average", s.total/float64(s.n)
		}
		fmt.Fprintf(&b, "%s:\n   %s = %s over %s\n", head, what, strconv.FormatFloat(value, 'f', -1, 64), plural(s.n, "host"))
	}
	return b.String()
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// counts writes values with how many hosts have each, the most common first. names, if any, adds who they are.
func counts(head string, count map[string]int, names map[string][]string) string {
	if len(count) == 0 {
		return ""
	}
	keys := sortedKeys(count)
	slices.SortStableFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), compareNames(a, b))
	})
	left := 0
	if len(keys) > maxValues {
		left = len(keys) - maxValues
		keys = keys[:maxValues]
	}
	shown := make([]string, len(keys))
	width := 0
	for i, k := range keys {
		shown[i] = clip(Sanitise(k), maxLine)
		if n := utf8.RuneCountInString(shown[i]); n <= maxLabel {
			width = max(width, n)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", Sanitise(head))
	for i, k := range keys {
		fmt.Fprintf(&b, "   %s = %d", pad(shown[i], width), count[k])
		if who := names[k]; len(who) > 0 {
			b.WriteString("  " + Sanitise(joinNodes(who)))
		}
		b.WriteString("\n")
	}
	if left > 0 {
		fmt.Fprintf(&b, "   and %d more values; -o json has them\n", left)
	}
	return b.String()
}
