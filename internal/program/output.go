package program

// Head keeps the first Max bytes that are written to it.
type Head struct {
	Max  int
	Full func() // called once when there is more; nil: nothing is

	buf  []byte
	over bool
}

func (h *Head) Write(p []byte) (int, error) {
	keep := p[:min(len(p), h.Max-len(h.buf))]
	h.buf = append(h.buf, keep...)
	if len(keep) < len(p) && !h.over {
		h.over = true
		if h.Full != nil {
			h.Full()
		}
	}
	return len(p), nil
}

// Bytes returns what was kept; it is not copied.
func (h *Head) Bytes() []byte { return h.buf }

// Over reports whether there was more.
func (h *Head) Over() bool { return h.over }

// Tail keeps the last Max bytes that are written to it, and up to as many before them for the moment.
type Tail struct {
	Max int
	buf []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p[max(0, len(p)-t.Max):]...)
	if len(t.buf) > 2*t.Max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.Max:]...)
	}
	return len(p), nil
}

// Bytes returns what was kept; it is not copied.
func (t *Tail) Bytes() []byte { return t.buf[max(0, len(t.buf)-t.Max):] }
