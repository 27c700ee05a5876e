package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of journal.db.
var (
	claims  = []byte("claims")  // job id -> a record, see entry.go
	results = []byte("results") // job id -> the signed reply, sealed as below
	self    = []byte("self")    // stateKey -> a state, sealed
)

const (
	stateKey = "state"
	schema   = 1
)

// state is what the journal says of itself. It is written with every transaction, so that it fits the claims or they are damaged.
type state struct {
	Schema int           `json:"schema"`
	Age    time.Duration `json:"age"` // by the journal's clock, when this was written; Boot and Up say how to go on from there
	Boot   string        `json:"boot"`
	Up     time.Duration `json:"up"`
	// Lost says that there was a journal before this one, and why it is gone; "" where there was none. Then Born is when this
	// one began, by the wall clock, and BornAge by its own.
	Lost    string        `json:"lost,omitempty"`
	Born    time.Time     `json:"born"`
	BornAge time.Duration `json:"born_age"`
	// Forgotten is the latest time at which a claim that was dropped expired, in Unix milliseconds. A change that expires
	// no later may have been one of them.
	Forgotten int64  `json:"forgotten"`
	Claims    int    `json:"claims"` // how many there are
	Sum       uint64 `json:"sum"`    // of mark over all of them
}

// mark is the part that one claim has in a state's sum, which depends on no order.
func mark(id, record []byte) uint64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(id))))
	h.Write(id)
	h.Write(record)
	return h.Sum64()
}

// seal puts a checksum before raw, and unseal checks and removes it: bbolt has none for what it keeps.
func seal(raw []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, mark(nil, raw)), raw...)
}

func unseal(sealed []byte) ([]byte, bool) {
	if len(sealed) < 8 || binary.BigEndian.Uint64(sealed) != mark(nil, sealed[8:]) {
		return nil, false
	}
	return sealed[8:], true
}

func readState(sealed []byte) (s state, err error) {
	raw, whole := unseal(sealed)
	if !whole {
		return s, errors.New("what it says of itself is damaged")
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, err
	}
	if s.Schema != schema {
		return s, fmt.Errorf("it is of another release of fleet (schema %d)", s.Schema)
	}
	return s, nil
}

// change is one transaction on the claims that keeps the state.
type change struct {
	tx *bbolt.Tx
	state
}

func (c *change) get(id string) []byte { return c.tx.Bucket(claims).Get([]byte(id)) }

// put writes the record of a claim, new or not.
func (c *change) put(id string, record []byte) error {
	c.take(id)
	c.Claims, c.Sum = c.Claims+1, c.Sum+mark([]byte(id), record)
	return c.tx.Bucket(claims).Put([]byte(id), record)
}

// drop forgets a claim and its result.
func (c *change) drop(id string) error {
	c.take(id)
	return errors.Join(c.tx.Bucket(claims).Delete([]byte(id)), c.tx.Bucket(results).Delete([]byte(id)))
}

// take takes a claim out of the sums.
func (c *change) take(id string) {
	if old := c.get(id); old != nil {
		c.Claims, c.Sum = c.Claims-1, c.Sum-mark([]byte(id), old)
	}
}

// result is the reply that is kept for a job, or nil where there is none, or no longer a whole one.
func result(tx *bbolt.Tx, id string) []byte {
	raw, _ := unseal(get(tx, results, id))
	return bytes.Clone(raw)
}

// get reads from a bucket that is not there yet where nothing was ever claimed.
func get(tx *bbolt.Tx, bucket []byte, id string) []byte {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.Get([]byte(id))
}
