package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Entry is what the journal knows of a change beside its result, for people who ask later. It holds no secrets.
type Entry struct {
	Signer    string         `json:"signer,omitempty"` // the admin's name when the job came
	Reason    string         `json:"reason,omitempty"` // that the job gives
	Plugin    string         `json:"plugin,omitempty"`
	Action    string         `json:"action,omitempty"`
	Args      map[string]any `json:"args,omitempty"`    // as they may be shown
	Targets   []string       `json:"targets,omitempty"` // some of the node ids that the job names; see Nearest
	Total     int            `json:"total,omitempty"`   // how many the job names, or its plan
	Plan      string         `json:"plan,omitempty"`    // of which the job is a portion
	Part      int            `json:"part,omitempty"`    // which, from 0
	Parts     int            `json:"parts,omitempty"`   // of how many
	Came      time.Time      `json:"came,omitzero"`
	Ended     time.Time      `json:"ended,omitzero"`     // zero: it runs, or the node ended before it did
	State     string         `json:"state,omitempty"`    // how it ended
	Cancelled bool           `json:"cancelled,omitzero"` // before it came: it must not run
	Alone     *Alone         `json:"alone,omitempty"`    // one key was enough for it, for it is for few hosts
}

// Alone is what a change counts for where a rule asks for a second key above a share of the fleet.
type Alone struct {
	Key   string `json:"key"`   // id of the signer's
	Plan  string `json:"plan"`  // which hosts it is for: a hash
	Hosts int    `json:"hosts"` // how many they are
}

// Known is one change that the journal has.
type Known struct {
	ID string
	Entry
	Running bool   // by this process
	Result  []byte // the signed reply; nil: there is none, or no room was left for it
}

// record is a claim as it lies in the database: when it may be forgotten, by the journal's own clock in nanoseconds, and when the job
// expires, in Unix milliseconds, 8 bytes big endian each, and the entry as JSON.
func record(until time.Duration, expires time.Time, e Entry) ([]byte, error) {
	raw, err := json.Marshal(e)
	head := binary.BigEndian.AppendUint64(nil, uint64(until))
	return append(binary.BigEndian.AppendUint64(head, uint64(expires.UnixMilli())), raw...), err
}

// readRecord reads what record wrote.
func readRecord(raw []byte) (until time.Duration, expires time.Time, e Entry, err error) {
	if len(raw) < 16 {
		return 0, expires, e, errors.New("a claim in the journal is damaged")
	}
	until, expires = time.Duration(binary.BigEndian.Uint64(raw)), time.UnixMilli(int64(binary.BigEndian.Uint64(raw[8:])))
	if err = json.Unmarshal(raw[16:], &e); err != nil {
		err = fmt.Errorf("a claim in the journal is damaged: %w", err)
	}
	return until, expires, e, err
}

// Change returns what is known of one change. The id of a plan stands for the newest portion of it that came here.
func (j *Journal) Change(id string) (k Known, found bool, err error) {
	err = j.store.view(func(tx *bbolt.Tx) error {
		raw := get(tx, claims, id)
		if found = raw != nil; found {
			k, _, err = j.known(tx, id, raw)
		}
		if err != nil || found && !k.Cancelled {
			return err
		}
		if part, raw := portion(tx, id); raw != nil {
			found = true
			k, _, err = j.known(tx, part, raw)
		} else if part := j.held(id); part != "" {
			k, found = Known{ID: part, Running: true}, false // it is being judged
		} else if !found {
			k = Known{ID: id, Running: j.isRunning(id)} // the same
		}
		return err
	})
	return k, found, err
}

// portion is the claim of the newest portion of a plan that came here, or nil. It looks at all claims: people ask so, and seldom.
func portion(tx *bbolt.Tx, plan string) (id string, raw []byte) {
	if tx.Bucket(claims) == nil {
		return "", nil
	}
	c := tx.Bucket(claims).Cursor()
	for id, raw := c.Last(); id != nil; id, raw = c.Prev() {
		if !bytes.Contains(raw, []byte(plan)) { // most are not read
			continue
		}
		if _, _, e, err := readRecord(raw); err == nil && e.Plan == plan {
			return string(id), raw
		}
	}
	return "", nil
}

// held is the job under way that is a portion of a plan, or "".
func (j *Journal) held(plan string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, of := range j.running {
		if of == plan && plan != "" {
			return id
		}
	}
	return ""
}

// Changes returns those that ran here, or were cancelled, the newest first, at most limit, without their results.
func (j *Journal) Changes(limit int) ([]Known, error) {
	var list []Known
	err := j.store.view(func(tx *bbolt.Tx) error {
		if tx.Bucket(claims) == nil {
			return nil
		}
		c := tx.Bucket(claims).Cursor()
		for id, raw := c.Last(); id != nil && len(list) < limit; id, raw = c.Prev() {
			k, ran, err := j.known(tx, string(id), raw)
			if err != nil {
				return err
			}
			if k.Result = nil; ran {
				list = append(list, k)
			}
		}
		return nil
	})
	plans := map[string]bool{}
	for _, k := range list {
		plans[k.Plan] = true
	}
	return slices.DeleteFunc(list, func(k Known) bool { return k.Cancelled && plans[k.ID] }), err // that a plan was cancelled is no job beside its portion
}

// known reads one claim; ran says whether there is something to tell: one that was not for this host, or was refused, has no entry.
func (j *Journal) known(tx *bbolt.Tx, id string, raw []byte) (k Known, ran bool, err error) {
	k = Known{ID: id, Result: result(tx, id), Running: j.isRunning(id)}
	_, _, k.Entry, err = readRecord(raw)
	return k, k.Cancelled || k.Plugin != "", err
}

// Nearest are the targets of a job that the host self remembers: those that follow it by id, from the last on to the first.
// So a claim is short whatever the list, and together the hosts that know the job name all of it, unless 16 in a row are
// silent. Ids are random, so the hosts of a rack that lost its power do not follow one another.
func Nearest[ID ~string](targets []ID, self ID) []string {
	targets = slices.Sorted(slices.Values(targets))
	at := max(slices.Index(targets, self), 0)
	out := make([]string, 0, nearest)
	for i := range min(nearest, len(targets)) {
		out = append(out, string(targets[(at+i)%len(targets)]))
	}
	return out
}

const (
	nearest   = 17      // with the host itself
	maxArgs   = 2 << 10 // bytes of an entry's arguments, as JSON
	maxString = 100     // bytes of one of them where all together are longer
)

// bounded is the entry with arguments that are no longer than maxArgs.
func (e Entry) bounded() Entry {
	length := func() int {
		raw, err := json.Marshal(e.Args)
		return len(raw) + map[bool]int{true: maxArgs}[err != nil]
	}
	whole := length()
	if whole <= maxArgs {
		return e
	}
	short := map[string]any{}
	for name, v := range e.Args {
		if s, ok := v.(string); ok && len(s) > maxString {
			v = strings.ToValidUTF8(s[:maxString], "") + "…"
		}
		short[name] = v
	}
	if e.Args = short; length() > maxArgs {
		e.Args = map[string]any{"…": fmt.Sprintf("%d bytes of arguments, too many to keep", whole)}
	}
	return e
}

// Start notes what a claimed change is, before it begins. Of long arguments it keeps the beginning.
func (j *Journal) Start(id string, e Entry) error {
	e = e.bounded()
	return j.store.update(func(c *change) error {
		return c.note(id, func(old *Entry) {
			e.Alone = old.Alone
			*old = e
		})
	})
}

// Alone returns the changes that came since a time and count where a rule asks for a second key above a share of the fleet.
func (j *Journal) Alone(since time.Time) (list []Entry, err error) {
	err = j.store.view(func(tx *bbolt.Tx) error {
		list = nil
		if tx.Bucket(claims) == nil {
			return nil
		}
		return tx.Bucket(claims).ForEach(func(_, raw []byte) error {
			_, _, e, err := readRecord(raw)
			if err == nil && e.Alone != nil && !e.Came.Before(since) {
				list = append(list, e)
			}
			return err
		})
	})
	return list, err
}

// note changes the entry of a claim.
func (c *change) note(id string, change func(*Entry)) error {
	raw := c.get(id)
	if raw == nil {
		return nil // lost meanwhile
	}
	until, expires, e, err := readRecord(raw)
	if err != nil {
		return err
	}
	change(&e)
	if raw, err = record(until, expires, e); err != nil {
		return err
	}
	return c.put(id, raw)
}

// Resume says that this process takes a change up that an earlier one began.
func (j *Journal) Resume(id string) { j.begin(Job{ID: id}) }

// Cancel claims a change that has not come, so that it never runs here; Claim.Entry says so to who brings it. It reports false where
// the change is here already. With the id of a plan it does so for all portions that have not come.
func (j *Journal) Cancel(id string, now time.Time) (bool, error) {
	err := j.store.update(func(c *change) error {
		if c.get(id) != nil || j.isRunning(id) {
			return errNothing
		}
		raw, err := record(j.store.clock.age()+Keep, now.Add(j.alive()), Entry{Came: now, Ended: now, Cancelled: true})
		if err != nil {
			return err
		}
		return c.put(id, raw)
	})
	if errors.Is(err, errNothing) {
		return false, nil
	}
	if err != nil {
		return false, j.full(err)
	}
	return true, nil
}
