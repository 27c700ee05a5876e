package gate

import (
	"context"
	"fmt"
	"sync"

	"fleet/identity"
)

// The room that a host has, in jobs that are judged or run at a time. Each kind has its own: changes that run for an hour keep nobody
// from looking at the host, and nothing keeps anybody from cancelling them. Of each kind one signer may have less than half, so that
// two who send without end leave room for the others.
const (
	maxReads, maxReadsOfOne     = 64, 24
	maxChanges, maxChangesOfOne = 64, 24
	maxCancels, maxCancelsOfOne = 16, 4

	// AtOnce is how many jobs may be under way in all of it.
	AtOnce = maxReads + maxChanges + maxCancels
)

// kind is what a job takes room of.
type kind int

const (
	read kind = iota // also a change in match mode
	change
	cancel
	kinds // how many there are
)

func (k kind) String() string { return [...]string{"reads", "changes", "cancels"}[k] }

// limits returns how many there may be of all signers, and of one.
func (k kind) limits() (all, ofOne int) {
	switch k {
	case read:
		return maxReads, maxReadsOfOne
	case change:
		return maxChanges, maxChangesOfOne
	}
	return maxCancels, maxCancelsOfOne
}

// shares is what each signer has under way on this host. The zero value is ready.
type shares struct {
	mu  sync.Mutex
	all [kinds]int
	of  map[identity.ID]*share
}

// share is one signer's part of the host.
type share struct {
	jobs [kinds]int    // guarded by shares.mu
	turn chan struct{} // full while one of his filters asks data functions
}

// take takes a place for a signer's job, or says what is full.
func (s *shares) take(signer identity.AdminEntry, k kind) (one *share, full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ofOne := k.limits()
	switch one = s.of[signer.Key.ID()]; {
	case s.all[k] >= all:
		return nil, fmt.Sprintf("%d %s are under way on this host, and it takes no more at a time", all, k)
	case one != nil && one.jobs[k] >= ofOne:
		return nil, fmt.Sprintf("%s has %d %s under way on this host, and no admin may have more", signer.Name, ofOne, k)
	}
	return s.add(signer.Key.ID(), k), ""
}

// add takes a place whether there is one or not.
func (s *shares) add(signer identity.ID, k kind) *share {
	one := s.of[signer]
	if one == nil {
		one = &share{turn: make(chan struct{}, 1)}
	}
	if s.of == nil {
		s.of = map[identity.ID]*share{}
	}
	s.of[signer] = one
	one.jobs[k]++
	s.all[k]++
	return one
}

// leave gives a place back.
func (s *shares) leave(signer identity.ID, k kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[k]--
	one := s.of[signer]
	if one.jobs[k]--; one.jobs == [kinds]int{} {
		delete(s.of, signer)
	}
}

// Resumed takes a place for a change of this signer that an earlier process of this host began. Call leave once when it has ended.
// There may be more of them than there is room: none comes before they have ended.
func (g *Gate) Resumed(signer identity.ID) (leave func()) {
	g.shares.mu.Lock()
	defer g.shares.mu.Unlock()
	g.shares.add(signer, change)
	return func() { g.shares.leave(signer, change) }
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
