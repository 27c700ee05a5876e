package runner

import "sync"

// recent holds the last replies to reads, so that a question that is sent again is answered and not run again. The zero value holds
// none.
type recent struct {
	limit int // in bytes, of all together

	mu    sync.Mutex
	reply map[string][]byte
	order []string
	bytes int
}

func (r *recent) put(id string, signed []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reply == nil {
		r.reply = map[string][]byte{}
	}
	old, known := r.reply[id]
	if !known {
		r.order = append(r.order, id)
	}
	r.reply[id], r.bytes = signed, r.bytes+len(signed)-len(old) // a job that was refused may run with another signature
	for len(r.order) > maxReplies || r.bytes > r.limit {
		r.bytes -= len(r.reply[r.order[0]])
		delete(r.reply, r.order[0])
		r.order = r.order[1:]
	}
}

// get returns the reply to that job, or nil.
func (r *recent) get(id string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reply[id]
}
