//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fleet/internal/lab/labtest"
)

const (
	// eventually bounds the wait for what a fleet does by itself: it is for a busy machine, no promise of fleet's.
	eventually = 150 * time.Second
	// hung is after how long one command has hung.
	hung = 120 * time.Second
	// patient is how long a command waits for hosts: who is on a broker that hangs is back after 5 to 9 s, and on a busy machine
	// later than the 10 s of a ping. A run ends before it where all have answered.
	patient = "25s"
)

// stream is an admin at a machine of his own, which is no node: he looks at all hosts and changes all of them, again and
// again, while things go wrong.
type stream struct {
	name, host string
	l          *labtest.Lab
	quit, done chan struct{}

	mu    sync.Mutex
	calls []call
	news  chan struct{} // closed when there is another call
}

// call is one command of a stream's and how it ended.
type call struct {
	tag            string // of a change: what it counts under on each host; "" for a ping
	began          time.Time
	took           time.Duration
	code           int
	stdout, stderr string
	run            runDocument
	fault          error // it could not be run, hung, or wrote no document
}

// runDocument is what of fleet.run/v1 matters here.
type runDocument struct {
	Schema string         `json:"schema"`
	Jobs   []string       `json:"jobs"`
	Hosts  []hostDocument `json:"hosts"`
	Tally  map[string]int `json:"tally"`

	NotStarted []string `json:"not_started"`
	NoMatch    int      `json:"not_matched"`
	Rejected   int      `json:"unverified_replies"`
	Expected   int      `json:"expected"`
	Exit       int      `json:"exit"`
}

type hostDocument struct {
	Host    string `json:"host"`
	Node    string `json:"node"`
	State   string `json:"state"`
	Message string `json:"message"`
}

// startStream lets an admin begin; his changes have tags of that prefix.
func startStream(l *labtest.Lab, name, host, prefix string) *stream {
	s := &stream{name: name, host: host, l: l, quit: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{})}
	go func() {
		defer close(s.done)
		for n := 1; ; n++ {
			tag := ""
			if n%2 == 0 {
				tag = fmt.Sprintf("%s-%s-%d", prefix, name, n/2)
			}
			c := s.call(tag)
			s.mu.Lock()
			s.calls = append(s.calls, c)
			close(s.news)
			s.news = make(chan struct{})
			s.mu.Unlock()
			select {
			case <-s.quit:
				return
			default:
			}
		}
	}()
	return s
}

// end lets the command under way end, and then the stream; it returns all calls.
func (s *stream) end() []call {
	close(s.quit)
	<-s.done
	return s.calls
}

// call runs one command: a change if there is a tag, else a ping.
func (s *stream) call(tag string) call {
	argv := []string{"fleet", "ping", "-o", "json", "--timeout", patient}
	if tag != "" {
		argv = []string{"fleet", "service", "restart", "chaos@" + tag, "--all", "-o", "json", "--timeout", patient}
	}
	ctx, cancel := context.WithTimeout(s.l.Context(), hung)
	defer cancel()
	c := call{tag: tag, began: time.Now()}
	res, err := s.l.Lab.Exec(ctx, s.host, argv...)
	c.took, c.code, c.stdout, c.stderr, c.fault = time.Since(c.began), res.Code, res.Stdout, res.Stderr, err
	if err == nil && c.code != 1 {
		if err := json.Unmarshal([]byte(c.stdout), &c.run); err != nil {
			c.fault = fmt.Errorf("exit code %d, and no document on stdout: %w", c.code, err)
		}
	}
	return c
}

func (c call) String() string {
	what := "ping"
	if c.tag != "" {
		what = "change " + c.tag
	}
	text := fmt.Sprintf("%s at %s, %d ms, code %d:", what, c.began.Format("15:04:05.000"), c.took.Milliseconds(), c.code)
	for _, h := range c.run.Hosts {
		text += " " + h.Host + "=" + h.State
		if h.State != "ok" {
			text += " (" + h.Message + ")"
		}
	}
	if c.code == 1 {
		text += " " + c.stderr
	}
	if c.fault != nil {
		text += " FAULT: " + c.fault.Error()
	}
	return text
}

// in returns the hosts that are in that state.
func (c call) in(state string) (names []string) {
	for _, h := range c.run.Hosts {
		if h.State == state {
			names = append(names, h.Host)
		}
	}
	slices.Sort(names)
	return names
}

// await waits until n calls in a row that began after now are as wanted, the last ones there are.
func (s *stream) await(t *testing.T, what string, n int, wanted func(call) bool) {
	t.Helper()
	now, limit := time.Now(), time.NewTimer(eventually)
	defer limit.Stop()
	for {
		s.mu.Lock()
		news, row, last := s.news, 0, call{}
		for _, c := range s.calls {
			switch last = c; {
			case c.began.Before(now):
			case wanted(c):
				row++
			default:
				row = 0
			}
		}
		s.mu.Unlock()
		if row >= n {
			return
		}
		select {
		case <-news:
		case <-limit.C:
			t.Fatalf("%s does not see within %s that %s; the last was\n%s", s.name, eventually, what, last)
		case <-s.l.Context().Done():
			t.Fatalf("%s waits to see that %s: %v; the last was\n%s", s.name, what, s.l.Context().Err(), last)
		}
	}
}
