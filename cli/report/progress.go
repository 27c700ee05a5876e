package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

const barWidth = 40

// Bar is a line on a terminal that is drawn over itself while hosts answer. The zero Bar draws nothing.
type Bar struct {
	w     io.Writer
	label string
	mu    sync.Mutex
	shown string
}

// NewBar returns a bar for w, which must be a terminal.
func NewBar(w io.Writer, label string) *Bar { return &Bar{w: w, label: label} }

// Update says how many of how many hosts have answered; total 0 is "not known yet". Any goroutine may call it.
func (b *Bar) Update(done, total int) {
	if b == nil || b.w == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	line := fmt.Sprintf(" * %s %d", b.label, done)
	if total > 0 {
		filled := min(barWidth, done*barWidth/total)
		bar := strings.Repeat("=", max(0, filled-1)) + strings.Repeat(">", min(1, filled))
		line = fmt.Sprintf(" * %s [ %-*s ] %d / %d", b.label, barWidth, bar, done, total)
	}
	if line != b.shown {
		b.shown = line
		fmt.Fprintf(b.w, "\r\x1b[K%s", line)
	}
}

// Clear takes the bar away again.
func (b *Bar) Clear() {
	if b == nil || b.w == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown != "" {
		b.shown = ""
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
