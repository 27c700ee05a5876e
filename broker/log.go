package broker

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
)

// natsLog hands nats-server's log lines to slog. Its notices about starting and listening are Debug here: they tell
// nothing that fleet does not say itself. A line about a client gets the id of whose connection it is.
type natsLog struct {
	log    *slog.Logger
	fatal  chan string // gets the first line that nats-server would end its process for
	guests *guests
	quota  *quota
}

func (l natsLog) Noticef(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Slow Consumer") { // who did not read, and was disconnected
		l.warn(text)
		return
	}
	l.log.Debug(text)
}

func (l natsLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "TLS") && (strings.Contains(text, "will not be verified") || strings.Contains(text, "Handshake First")) {
		// It sees InsecureSkipVerify and not the VerifyConnection beside it, which verifies against the pinned root
		// (identity.RouteTLS). Left as it is, the line would frighten people at night.
		l.log.Debug(text)
		return
	}
	l.warn(text)
}

func (l natsLog) Errorf(format string, v ...any) { l.warn(fmt.Sprintf(format, v...)) }

func (l natsLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.log.Error(text)
	select {
	case l.fatal <- text:
	default:
	}
}

func (l natsLog) Debugf(format string, v ...any) {}
func (l natsLog) Tracef(format string, v ...any) {}

// warn writes a line that others than this host can cause.
func (l natsLog) warn(text string) {
	g, known := guest{}, false
	if _, after, found := strings.Cut(text, " - cid:"); found {
		digits, _, _ := strings.Cut(after, " ")
		if number, err := strconv.ParseUint(digits, 10, 64); err == nil {
			g, known = l.guests.who(number)
		}
	}
	l.quota.warn(l.log, topic{key: g.key}, text, g.attrs(known)...)
}

// attrs name whose connection a line is about.
func (g guest) attrs(known bool) []any {
	if !known {
		return nil
	}
	return []any{logkey.Key, g.key, logkey.Role, g.kind, logkey.Name, g.name}
}

// quota bounds the log lines that one key can cause, and those that all who have none can cause together.
type quota struct {
	mu   sync.Mutex
	by   map[topic]*allowance
	last time.Time // when those that are full were forgotten
}

// topic is what has a quota of its own: a flood of one kind of line shall not hide the line that says how it ended.
type topic struct {
	key identity.ID // empty: of whoever has none
	why string      // of the broker's own lines
}

type allowance struct {
	bucket
	left int // lines left out since the last that was written
}

func newQuota() *quota { return &quota{by: map[topic]*allowance{}} }

// warn writes a line, if the quota is not used up. The next line that is written says how many were left out.
func (q *quota) warn(log *slog.Logger, about topic, text string, attrs ...any) {
	if left, ok := q.take(time.Now(), about); ok {
		if left > 0 {
			attrs = append(attrs, logkey.Omitted, left)
		}
		log.Warn(text, attrs...)
	}
}

func (q *quota) take(now time.Time, about topic) (left int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.last) > logBurst/logRate*time.Second { // whoever was silent for so long has a full bucket again
		q.last = now
		for about, a := range q.by {
			if now.Sub(a.at) > logBurst/logRate*time.Second {
				delete(q.by, about)
			}
		}
	}
	a := q.by[about]
	if a == nil {
		a = &allowance{}
		q.by[about] = a
	}
	if !a.take(now, 1, logRate, logBurst) {
		a.left++
		return 0, false
	}
	left, a.left = a.left, 0
	return left, true
}
