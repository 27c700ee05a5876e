package client

import "time"

// Clock is how a host's clock stood to this machine's when it signed a reply.
type Clock struct {
	Offset time.Duration // positive: the host's clock is ahead
	Within time.Duration // how far Offset may be off, either way
}

// clockOf estimates it from when the host says it signed (whole milliseconds): that was after the job was sent and before
// the reply arrived, so half that time is the most it can be off. It holds also where the job was sent again, or answered
// from memory.
func clockOf(signed, sent, arrived time.Time) Clock {
	half := arrived.Sub(sent) / 2
	return Clock{Offset: signed.Sub(sent.Add(half)), Within: half + time.Millisecond}
}

// Off reports whether the host's clock is surely more than limit away from this machine's.
func (c Clock) Off(limit time.Duration) bool { return c.Offset.Abs()-c.Within > limit }
