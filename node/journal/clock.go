package journal

import "time"

// Boot is how long this machine has run, by a clock that nobody sets.
type Boot struct {
	ID string               // another one after each boot; "" where the kernel does not tell
	Up func() time.Duration // since then; nil where the kernel does not tell
}

// clock is the journal's own time: how long this host has run since the journal was made, over all boots and restarts as far as is
// known, never more. It does not jump, whatever happens to the wall clock, so what was kept for a time is kept for that time.
type clock struct {
	boot    Boot
	opened  time.Time
	base    time.Duration // the age when it was started
	started time.Duration // its reading of up then
}

// up is since the boot, or since the process began where the boot is not known.
func (c *clock) up() time.Duration {
	if c.boot.Up == nil {
		return time.Since(c.opened)
	}
	return c.boot.Up()
}

// start goes on from the age that was written at up in the boot given. Between two boots there is at least the time that this one lasts.
func (c *clock) start(age time.Duration, boot string, up time.Duration) {
	c.started, c.base = c.up(), age
	switch {
	case c.boot.Up == nil:
	case boot == c.boot.ID && boot != "":
		c.base += max(0, c.started-up)
	default:
		c.base += c.started
	}
}

func (c *clock) age() time.Duration { return c.base + max(0, c.up()-c.started) }
