package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ExpandNodes returns the host names that a node set stands for, in the order written and each once:
// web[1-3,7].example.com, rack[1-2]-web[01-20], and comma lists of these and of plain names. A lower bound with leading
// zeros sets the width. It gives at most MaxNames names and an error that says what is wrong otherwise.
func ExpandNodes(set string) ([]string, error) {
	if err := checkText(set, maxFilterBytes); err != nil {
		return nil, fmt.Errorf("the node set %w", err)
	}
	return expandNodes(set, checkHostName)
}

// expandNodes lets check decide which names are good, so that a glob can have a node set in it.
func expandNodes(set string, check func(string) error) ([]string, error) {
	items, err := splitOutsideBrackets(set)
	if err != nil {
		return nil, err
	}
	var names []string
	total := 0 // with those that come twice: they are work too
	seen := map[string]bool{}
	for _, item := range items {
		parts, count, err := parseItem(item)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", item, err)
		}
		if total += count; total > MaxNames {
			return nil, fmt.Errorf("%q stands for more than %d hosts", clip(set), MaxNames)
		}
		for _, name := range parts.expand(count) {
			if seen[name] {
				continue
			}
			if err := check(name); err != nil {
				return nil, err
			}
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, nil
}

// splitOutsideBrackets splits a comma list, leaving the commas inside brackets alone.
func splitOutsideBrackets(s string) ([]string, error) {
	var items []string
	start, inside := 0, false
	for i := range len(s) {
		switch s[i] {
		case '[':
			if inside {
				return nil, fmt.Errorf("%q has a bracket within brackets", clip(s))
			}
			inside = true
		case ']':
			if !inside {
				return nil, fmt.Errorf("%q has a ] without its [", clip(s))
			}
			inside = false
		case ',':
			if !inside {
				items = append(items, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	if inside {
		return nil, fmt.Errorf("%q has a [ without its ]", clip(s))
	}
	return append(items, strings.TrimSpace(s[start:])), nil
}

// part of an item: text and then the numbers of one pair of brackets, if any.
type part struct {
	text   string
	ranges []span
}

// span is one range, both ends included, with the width that its numbers are padded to.
type span struct {
	low, high int64
	width     int
}

type item []part

// parseItem reads text[ranges]text[ranges]... and counts what it stands for, without expanding. A count above MaxNames
// says only that it is above.
func parseItem(s string) (parts item, count int, err error) {
	if s == "" {
		return nil, 0, errors.New("a name is missing beside a comma")
	}
	count = 1
	chars := 0 // outside brackets, so that a long name is not written out ten thousand times before it is refused
	for s != "" {
		text, after, found := strings.Cut(s, "[")
		if chars += len(text); chars > maxHostName {
			return nil, 0, fmt.Errorf("a host name has at most %d bytes", maxHostName)
		}
		if !found {
			return append(parts, part{text: text}), count, nil
		}
		body, rest, _ := strings.Cut(after, "]")
		p := part{text: text}
		sum := int64(0)
		for r := range strings.SplitSeq(body, ",") {
			sp, err := parseSpan(strings.TrimSpace(r))
			if err != nil {
				return nil, 0, err
			}
			p.ranges = append(p.ranges, sp)
			sum += sp.high - sp.low + 1
			if sum > MaxNames {
				return nil, MaxNames + 1, nil
			}
		}
		if count *= int(sum); count > MaxNames {
			return nil, MaxNames + 1, nil
		}
		if parts, s = append(parts, p), rest; len(parts) > maxBrackets {
			return nil, 0, fmt.Errorf("more than %d pairs of brackets", maxBrackets)
		}
	}
	return parts, count, nil
}

func parseSpan(s string) (span, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	if !isNumber(low) || !isNumber(high) {
		return span{}, fmt.Errorf("[%s]: in brackets stand numbers and ranges of them, such as [1-9,12]", clip(s))
	}
	sp := span{}
	sp.low, _ = strconv.ParseInt(low, 10, 64) // maxDigits fit
	sp.high, _ = strconv.ParseInt(high, 10, 64)
	if len(low) > 1 && low[0] == '0' {
		sp.width = len(low)
	}
	switch {
	case sp.low > sp.high:
		return span{}, fmt.Errorf("[%s] runs backwards", s)
	case len(high) < sp.width || len(high) > max(sp.width, 1) && high[0] == '0':
		return span{}, fmt.Errorf("[%s]: write both ends with the same number of digits to pad with zeros", s)
	}
	return sp, nil
}

func isNumber(s string) bool { return s != "" && len(s) <= maxDigits && countDigits(s) == len(s) }

// expand writes out all names; count is how many there are.
func (parts item) expand(count int) []string {
	names := append(make([]string, 0, count), "")
	for _, p := range parts {
		if p.ranges == nil {
			for i := range names {
				names[i] += p.text
			}
			continue
		}
		before := names
		names = make([]string, 0, count)
		for _, name := range before {
			for _, sp := range p.ranges {
				for n := sp.low; n <= sp.high; n++ {
					names = append(names, name+p.text+pad(n, sp.width))
				}
			}
		}
	}
	return names
}

func pad(n int64, width int) string {
	s := strconv.FormatInt(n, 10)
	if len(s) < width {
		s = strings.Repeat("0", width-len(s)) + s
	}
	return s
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
