package filter

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// FoldNodes writes host names as one node set, short enough to read: web1, web2, web3 and db1 become db1,web[1-3].
// Names are sorted and duplicates dropped; numbers are folded in one place of a name, the last number of its first
// label (web1 of web1.example.com). ExpandNodes turns the result back into the same names. Any number of names may be
// given.
func FoldNodes(names []string) string {
	type form struct { // of a name: what stands around its number
		before, after string
		numbered      bool
	}
	groups := map[form][]string{} // the numbers as written
	var forms []form
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		before, number, after := cutNumber(name)
		f := form{before, after, number != ""}
		if groups[f] == nil {
			forms = append(forms, f)
		}
		groups[f] = append(groups[f], number)
	}
	items := make([]string, 0, len(forms))
	for _, f := range forms {
		number := groups[f][0]
		if len(groups[f]) > 1 {
			number = "[" + foldNumbers(groups[f]) + "]"
		}
		items = append(items, f.before+number+f.after)
	}
	return strings.Join(items, ",")
}

// cutNumber finds the number to fold: the last one in the first label, or else the last one in the name. A name
// without a number that a node set can hold comes back whole, as before.
func cutNumber(name string) (before, number, after string) {
	if strings.ContainsAny(name, "[],") {
		return name, "", ""
	}
	label, _, _ := strings.Cut(name, ".")
	for _, end := range []int{len(label), len(name)} {
		for end > 0 && !isDigit(name[end-1]) {
			end--
		}
		start := end
		for start > 0 && isDigit(name[start-1]) {
			start--
		}
		if end > start && end-start <= maxDigits {
			return name[:start], name[start:end], name[end:]
		}
	}
	return name, "", ""
}

// foldNumbers joins numbers, as written, to ranges. Only numbers that the range would write the same way join it.
func foldNumbers(numbers []string) string {
	slices.SortFunc(numbers, func(a, b string) int {
		return cmp.Or(len(a)-len(b), strings.Compare(a, b)) // so 01, 02 and 1, 2 do not cut each other up
	})
	var ranges []string
	for i := 0; i < len(numbers); {
		first, last := numbers[i], numbers[i]
		width := 0
		if len(first) > 1 && first[0] == '0' {
			width = len(first)
		}
		value, _ := strconv.ParseInt(first, 10, 64) // maxDigits fit
		for i++; i < len(numbers) && numbers[i] == pad(value+1, width) && len(numbers[i]) <= maxDigits; i++ {
			value++
			last = numbers[i]
		}
		if first == last {
			ranges = append(ranges, first)
		} else {
			ranges = append(ranges, first+"-"+last)
		}
	}
	return strings.Join(ranges, ",")
}
