package broker

import (
	"fmt"
	"log/slog"
	"strings"
)

// natsLog hands nats-server's log lines to slog. Its notices about starting and listening are Debug here: they tell
// nothing that fleet does not say itself.
type natsLog struct {
	log   *slog.Logger
	fatal chan string // gets the first line that nats-server would end its process for
}

func (l natsLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l natsLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "TLS") && (strings.Contains(text, "will not be verified") || strings.Contains(text, "Handshake First")) {
		// It sees InsecureSkipVerify and not the VerifyConnection beside it, which verifies against the pinned root
		// (identity.RouteTLS). Left as it is, the line would frighten people at night.
		l.log.Debug(text)
		return
	}
	l.log.Warn(text)
}
func (l natsLog) Errorf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }
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
