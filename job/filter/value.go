package filter

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"fleet/internal/version"
)

// ordering compares what a host says with what was typed, as versions in the order of that host; false if one of them is
// none.
type ordering func(value, typed string) (order int, ok bool)

// holds reports whether the value, as the host gives it, satisfies the comparison. The rules are in doc.go.
func (c *comparison) holds(v any, versions ordering) bool {
	return c.holdsWithin(v, versions, maxValueDepth)
}

func (c *comparison) holdsWithin(v any, versions ordering, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return c.holdsText(v, versions)
	case bool:
		return c.holdsBool(v)
	case json.Number:
		if n, ok := parseNumber(v.String()); ok {
			return c.holdsNumber(n, versions)
		}
		return c.holdsText(v.String(), versions)
	case []any:
		for _, e := range v {
			if c.holdsWithin(e, versions, depth-1) {
				return true
			}
		}
		return false
	case []string:
		for _, e := range v {
			if c.holdsText(e, versions) {
				return true
			}
		}
		return false
	case map[string]any:
		return anyKey(c, v, versions)
	case map[string]string:
		return anyKey(c, v, versions)
	case map[any]any:
		for k := range v {
			if c.holdsWithin(k, versions, depth-1) {
				return true
			}
		}
		return false
	}
	if n, ok := toNumber(v); ok {
		return c.holdsNumber(n, versions)
	}
	return false
}

func anyKey[V any](c *comparison, m map[string]V, versions ordering) bool {
	for k := range m {
		if c.holdsText(k, versions) {
			return true
		}
	}
	return false
}

func (c *comparison) holdsText(s string, versions ordering) bool {
	switch c.op {
	case equal:
		return s == c.text
	case notEqual:
		return s != c.text
	case matches:
		return c.re.MatchString(s)
	case matchesNot:
		return !c.re.MatchString(s)
	}
	if order, ok := versions(s, c.text); ok {
		return c.ordered(order)
	}
	n, numeric := parseNumber(s)
	if numeric && c.numeric {
		return c.ordered(n.compare(c.number))
	}
	if version.Like(s) || numeric || c.version || c.numeric {
		return false
	}
	return c.ordered(strings.Compare(s, c.text))
}

func (c *comparison) holdsBool(b bool) bool {
	word := strconv.FormatBool(b)
	switch c.op {
	case equal, notEqual, matches, matchesNot:
		return c.holdsText(word, nil) // none of these compares versions
	}
	return false
}

func (c *comparison) holdsNumber(n number, versions ordering) bool {
	switch c.op {
	case matches:
		return c.re.MatchString(n.String())
	case matchesNot:
		return !c.re.MatchString(n.String())
	case equal:
		return c.numeric && n.compare(c.number) == 0
	case notEqual:
		return !c.numeric || n.compare(c.number) != 0
	}
	switch {
	case math.IsNaN(n.float):
		return false
	case c.numeric:
		return c.ordered(n.compare(c.number))
	}
	order, ok := versions(n.String(), c.text)
	return ok && c.ordered(order)
}

// ordered turns a three-way order into the answer of < > <= >=.
func (c *comparison) ordered(order int) bool {
	switch c.op {
	case less:
		return order < 0
	case greater:
		return order > 0
	case lessOrEqual:
		return order <= 0
	case greaterOrEqual:
		return order >= 0
	}
	return false
}

// number is an int64 exactly, or else a float64.
type number struct {
	whole   bool
	integer int64
	float   float64
}

func (n number) compare(m number) int {
	switch {
	case n.whole && m.whole && n.integer != m.integer:
		if n.integer < m.integer {
			return -1
		}
		return 1
	case n.whole && m.whole:
		return 0
	case n.float < m.float:
		return -1
	case n.float == m.float:
		return 0
	}
	return 1
}

func (n number) String() string {
	if n.whole {
		return strconv.FormatInt(n.integer, 10)
	}
	return strconv.FormatFloat(n.float, 'f', -1, 64)
}

func wholeNumber(i int64) number { return number{true, i, float64(i)} }

// parseNumber reads a decimal number: digits, with sign, fraction and exponent or without. Nothing else that Go takes
// for a number (0x10, 1_000, inf) is one to a person.
func parseNumber(s string) (number, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" || !isDigit(digits[0]) && digits[0] != '.' || len(s) > 64 {
		return number{}, false
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return wholeNumber(i), true
	}
	if strings.Trim(digits, "0123456789.eE+-") != "" {
		return number{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{float: f}, err == nil
}

func toNumber(v any) (number, bool) {
	switch v := v.(type) {
	case int:
		return wholeNumber(int64(v)), true
	case int8:
		return wholeNumber(int64(v)), true
	case int16:
		return wholeNumber(int64(v)), true
	case int32:
		return wholeNumber(int64(v)), true
	case int64:
		return wholeNumber(v), true
	case uint:
		return fromUint(uint64(v)), true
	case uint8:
		return wholeNumber(int64(v)), true
	case uint16:
		return wholeNumber(int64(v)), true
	case uint32:
		return wholeNumber(int64(v)), true
	case uint64:
		return fromUint(v), true
	case float32:
		return number{float: float64(v)}, true
	case float64:
		return number{float: v}, true
	}
	return number{}, false
}

func fromUint(u uint64) number {
	if u <= math.MaxInt64 {
		return wholeNumber(int64(u))
	}
	return number{float: float64(u)}
}
