package broker

import "time"

// bucket is a token bucket: it fills up by rate a second, and holds burst at most. The zero value is full.
type bucket struct {
	spent float64 // of burst
	at    time.Time
}

// take takes n out of the bucket, and reports whether that much was in it. If not, it is empty afterwards.
func (b *bucket) take(now time.Time, n, rate, burst float64) bool {
	b.spent = max(0, b.spent-rate*now.Sub(b.at).Seconds())
	b.at = now
	b.spent += n
	if b.spent <= burst {
		return true
	}
	b.spent = burst
	return false
}
