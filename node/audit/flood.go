package audit

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// limitPerMinute is how many lines of one event that strangers can cause are written in a minute.
	limitPerMinute = 60
	floodWindow    = time.Minute
)

// flood counts the limited lines of one event in the current minute.
type flood struct {
	since   time.Time
	written int
	left    int // not written
}

// AddLimited is Add for what somebody without any right can cause as often as he likes. Beyond 60 lines of an event in a
// minute they are only counted, and one line tells the count once the minute is over and something else is written.
func (l *Log) AddLimited(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.tellFloods(now)
	f := l.floods[e.Event]
	if f == nil {
		f = &flood{since: now}
		l.floods[e.Event] = f
	}
	if f.written >= limitPerMinute {
		f.left++
		return nil
	}
	f.written++
	return l.put(e, false)
}

// tellFloods writes the counts of the minutes that are over; the zero time ends all of them. l.mu is held.
func (l *Log) tellFloods(now time.Time) {
	for _, event := range slices.Sorted(maps.Keys(l.floods)) {
		f := l.floods[event]
		if !now.IsZero() && now.Sub(f.since) < floodWindow {
			continue
		}
		if f.left > 0 {
			e := Entry{Event: Suppressed, Count: f.left, Message: fmt.Sprintf("%s, since %s", event, f.since.UTC().Format(time.RFC3339))}
			if l.put(e, false) != nil {
				continue // kept until it can be told
			}
		}
		delete(l.floods, event)
	}
}
