package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseDuration is time.ParseDuration with days and weeks of 24 hours: 30d, 2w, 1d12h. Every duration that people write is
// read by it.
func parseDuration(s string) (time.Duration, error) {
	rest, sign := s, time.Duration(1)
	if strings.HasPrefix(rest, "-") && len(rest) > 1 {
		rest, sign = rest[1:], -1
	}
	var long float64 // hours that days and weeks stand for
	var short strings.Builder
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		unit := len(rest[digits:]) - len(strings.TrimLeft(rest[digits:], "abcdefghijklmnopqrstuvwxyzµ"))
		if digits == 0 || unit == 0 {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 2h or 30d", s)
		}
		hours, isLong := map[string]float64{"d": 24, "w": 7 * 24}[rest[digits:digits+unit]]
		if n, err := strconv.ParseFloat(rest[:digits], 64); isLong && err == nil {
			long += n * hours
		} else {
			short.WriteString(rest[:digits+unit])
		}
		rest = rest[digits+unit:]
	}
	d, err := time.ParseDuration(short.String() + "0s")
	if total := long*float64(time.Hour) + float64(d); err != nil || s == "" || math.Abs(total) > math.MaxInt64/2 || s == "-" {
		return 0, fmt.Errorf("%q is not a duration such as 90s, 2h or 30d", s)
	}
	return sign * (time.Duration(long*float64(time.Hour)) + d), nil
}
