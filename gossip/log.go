package gossip

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"time"

	"fleet/internal/logkey"
)

// Anybody who can reach the port can make memberlist complain once a packet, so its lines are let through only so fast.
const (
	logBurst  = 20
	logPeriod = 10 * time.Second
)

// logWriter turns memberlist's lines, "[LEVEL] memberlist: text", into slog records.
type logWriter struct {
	log   *slog.Logger
	gate  *gate
	lines limiter
}

func newLogger(l *slog.Logger, g *gate) *log.Logger {
	return log.New(&logWriter{log: l, gate: g, lines: limiter{most: logBurst, period: logPeriod}}, "", 0)
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.gate.pass(func() { w.pass(string(p)) })
	return len(p), nil
}

func (w *logWriter) pass(line string) {
	level, text := parseLine(line)
	if !w.log.Enabled(context.Background(), level) {
		return
	}
	pass, dropped := w.lines.take(time.Now())
	if dropped > 0 {
		w.log.Warn("memberlist logged more than is shown here", logkey.Count, dropped)
	}
	if pass {
		w.log.Log(context.Background(), level, text, logkey.Component, "memberlist")
	}
}

// parseLine lowers memberlist's levels: what it calls an error is a packet or a peer that went wrong, and its news
// about single nodes is told by this package itself.
func parseLine(line string) (slog.Level, string) {
	text := strings.TrimSpace(line)
	level := slog.LevelWarn
	if tag, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(tag, "[") {
		text = rest
		switch tag[1:] {
		case "DEBUG", "INFO":
			level = slog.LevelDebug
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	if len(text) > maxLogText {
		text = strings.ToValidUTF8(text[:maxLogText], "") + " (cut)"
	}
	return level, text
}
