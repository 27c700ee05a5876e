package node

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/mesh"
)

// Jobs that wait for another admin's signature. Nodes beside a broker keep them in memory until they expire, so that the
// second admin needs an id and no file. They are bytes to hand on: what runs is decided where it always is, by the gate of
// each host, once the first admin has sent the job. A broker's end loses its copy; the others have theirs.

// waiting is the jobs that wait, by id. The zero value is ready.
type waiting struct {
	mu   sync.Mutex
	jobs map[string]waitingJob
}

type waitingJob struct {
	signed  []byte
	signer  identity.ID
	expires time.Time
}

// take keeps a job that an admin of the roster signed, or adds approvals to one that is here. Approvals that do not hold
// are left out.
func (w *waiting) take(signed []byte, roster identity.Roster, fleet identity.FleetID, now time.Time) error {
	u, err := job.Decode(signed)
	if err != nil {
		return err
	}
	signer, ok := roster.Admin(u.Signer())
	if !ok {
		return fmt.Errorf("who signed the job is no admin in roster version %d", roster.Version)
	}
	j, err := u.Verify(signer.Key)
	switch {
	case err != nil:
		return err
	case j.Fleet != fleet:
		return errors.New("the job is for another fleet")
	case j.Approvable() != nil:
		return j.Approvable()
	case now.After(j.ExpiresAt()) || j.IssuedAt().After(now.Add(job.MaxSkew)):
		return errors.New("the job has expired, or is signed in the future")
	}
	signed = u.Keep(roster)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	if old, known := w.jobs[j.ID]; known {
		if signed, err = job.MergeApprovals(old.signed, signed); err != nil {
			return fmt.Errorf("another job of this id waits here: %w", err)
		}
	} else if n := w.of(signer.Key.ID()); n >= job.MaxWaiting {
		return fmt.Errorf("%d jobs of this admin wait already; send some, or let them expire", n)
	}
	if w.jobs == nil {
		w.jobs = map[string]waitingJob{}
	}
	w.jobs[j.ID] = waitingJob{signed, signer.Key.ID(), j.ExpiresAt()}
	return nil
}

func (w *waiting) of(signer identity.ID) (n int) {
	for _, j := range w.jobs {
		if j.signer == signer {
			n++
		}
	}
	return n
}

func (w *waiting) forget(now time.Time) {
	for id, j := range w.jobs {
		if now.After(j.expires) {
			delete(w.jobs, id)
		}
	}
}

// get returns the job of that id, or nil.
func (w *waiting) get(id string, now time.Time) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	return w.jobs[id].signed
}

// answerWaiting hands out a job that waits; the answer is empty where there is none.
func (n *Node) answerWaiting(r mesh.Request) []byte {
	return append([]byte{}, n.waiting.get(string(r.Data), time.Now())...)
}

// takeWaiting takes a job that waits, or one that was approved, and tells the other brokers' nodes. The answer is empty, or
// says why not.
func (n *Node) takeWaiting(r mesh.Request) []byte {
	if err := n.keepWaiting(r.Data); err != nil {
		return []byte(err.Error())
	}
	if err := n.mesh.Publish(job.WaitNewSubject, r.Data); err != nil {
		return []byte(err.Error())
	}
	return []byte{}
}

// hearWaiting takes what another broker's node was handed.
func (n *Node) hearWaiting(signed []byte) {
	if err := n.keepWaiting(signed); err != nil {
		n.log.Warn("cannot store a job that waits for approval", logkey.Error, err)
	}
}

func (n *Node) keepWaiting(signed []byte) error {
	return n.waiting.take(signed, n.currentRoster(), n.me.Root.ID(), time.Now())
}
