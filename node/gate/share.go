package gate

import (
	"context"
	"sync"
	"time"

	"fleet/identity"
)

const (
	// maxShare bounds the jobs of one signer that are judged or run at a time: well below half of what the host takes (64, see
	// node/runner), so that two who send without end leave room for the others.
	maxShare = 24
	// spare is how many more there may be for what ends a crowd: telling its signer that he is at his limit, and his cancelling of jobs.
	spare = 2
	// patience is how old a job has to be before its signer is told so. A younger one is dropped: whoever sent it sends it again
	// each second, and mostly there is room by then.
	patience = 10 * time.Second
)

// shares is what each signer has under way on this host. The zero value is ready.
type shares struct {
	mu sync.Mutex
	of map[identity.ID]*share
}

// share is one signer's part of the host.
type share struct {
	jobs int           // guarded by shares.mu
	turn chan struct{} // full while one of his filters asks data functions
}

// take takes one of at most limit places of a signer, or returns false.
func (s *shares) take(signer identity.ID, limit int) (*share, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[signer]
	if one == nil {
		one = &share{turn: make(chan struct{}, 1)}
	}
	if one.jobs >= limit {
		return nil, false
	}
	if s.of == nil {
		s.of = map[identity.ID]*share{}
	}
	one.jobs++
	s.of[signer] = one
	return one, true
}

// leave gives a place back.
func (s *shares) leave(signer identity.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[signer]
	if one.jobs--; one.jobs == 0 {
		delete(s.of, signer)
	}
}

// await waits until no other filter of this signer asks data functions, which read files and ask programs. End it with next.
func (s *share) await(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *share) next() { <-s.turn }
