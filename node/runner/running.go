package runner

import (
	"context"
	"errors"
	"sync"
)

// errCancelled is the cause where an action's context ends because an admin cancelled the job.
var errCancelled = errors.New("cancelled")

// running is the jobs under way, by id, so that they can be stopped. The zero value is ready.
type running struct {
	mu   sync.Mutex
	stop map[string]context.CancelCauseFunc // nil: it is to stop before it has begun
}

// begin returns the context to run a job under. End it with end.
func (r *running) begin(ctx context.Context, id string) context.Context {
	ctx, stop := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, cancelled := r.stop[id]; cancelled {
		stop(errCancelled)
	}
	r.set(id, stop)
	return ctx
}

func (r *running) set(id string, stop context.CancelCauseFunc) {
	if r.stop == nil {
		r.stop = map[string]context.CancelCauseFunc{}
	}
	r.stop[id] = stop
}

func (r *running) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stop := r.stop[id]; stop != nil {
		stop(nil)
	}
	delete(r.stop, id)
}

func (r *running) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop[id] != nil
}

// cancel stops a job that runs, and reports whether one does. Otherwise it will stop as soon as it begins, unless what stays for that is
// dropped. It is also gone when a job of that id has ended.
func (r *running) cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stop := r.stop[id]
	if stop == nil {
		r.set(id, nil)
		return false
	}
	stop(errCancelled)
	return true
}

// drop takes back what cancel left for a job that has not begun.
func (r *running) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop[id] == nil {
		delete(r.stop, id)
	}
}
