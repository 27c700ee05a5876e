package report

import (
	"cmp"
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

// countValues says how many hosts have each value of an output. Hosts that gave none are not counted.
func countValues(a plugin.Action, name string, outcomes []client.Outcome) map[string]int {
	count := map[string]int{}
	for _, v := range values(a, name, outcomes) {
		count[valueText(v)]++
	}
	return count
}

func values(a plugin.Action, name string, outcomes []client.Outcome) []any {
	out := plugin.Output{Name: name}
	for _, o := range a.Outputs {
		if o.Name == name {
			out = o
		}
	}
	var list []any
	for _, o := range outcomes {
		if v := outputOf(out, o); v != nil {
			list = append(list, v)
		}
	}
	return list
}

// summary is one declared summary for people; "" where no host gave a value.
func summary(a plugin.Action, s plugin.Summary, outcomes []client.Outcome) string {
	head := s.Label
	if head == "" {
		label := s.Output
		for _, o := range a.Outputs {
			if o.Name == s.Output {
				label = labelOf(o)
			}
		}
		head = "Summary of " + label
	}
	if s.By == plugin.CountValues {
		return counts(head, countValues(a, s.Output, outcomes), nil)
	}
	sum, n := 0.0, 0
	for _, v := range values(a, s.Output, outcomes) {
		if f, ok := number(v); ok {
			sum, n = sum+f, n+1
		}
	}
	if n == 0 {
		return ""
	}
	what := "sum"
	if s.By == plugin.Average {
		what, sum = "average", sum/float64(n)
	}
	return fmt.Sprintf("%s:\n   %s = %s over %s\n", head, what, strconv.FormatFloat(sum, 'f', -1, 64), plural(n, "host"))
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
