package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/internal/bubble"
)

// The model: any number of hosts with stores of their own, and writers that change documents on any of them, while the
// network parts and heals, disks fill up, files get damaged, hosts restart and their clocks are off. In the end, whoever can
// talk must agree, no revocation may be gone, and no change that was reported as done may be gone without being named.

type modelHost struct {
	*Store
	number int
	side   int  // of a partition: it talks to those of the same side only
	full   bool // its disk takes nothing
	off    time.Duration
}

type model struct {
	t       *testing.T
	rand    *rand.Rand
	hosts   []*modelHost
	made    map[Hash]string  // every version of the roster
	done    []Hash           // those of which Put said that they are kept
	revoked map[string]Entry // done revocations by name
	log     []string
}

func TestModelOfManyStores(t *testing.T) {
	for seed := range 200 {
		bubble.Test(t, func(t *testing.T) {
			m := newModel(t, uint64(seed))
			for range 120 {
				m.step()
			}
			m.settle()
			m.check()
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(m.log, "\n"))
			}
		})
	}
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, rand: rand.New(rand.NewPCG(seed, 1)), made: map[Hash]string{}, revoked: map[string]Entry{}}
	first := next("", "roster", "acme", "first")
	m.made[HashOf([]byte(first))] = first
	for i := range 2 + m.rand.IntN(6) {
		h := &modelHost{Store: openTestStore(t, t.TempDir()), number: i}
		m.hosts = append(m.hosts, h)
		m.fit(h)
		putAll(t, h.Store, first)
	}
	return m
}

// fit gives a store the host's clock and disk.
func (m *model) fit(h *modelHost) {
	h.now = func() time.Time { return time.Now().Add(h.off) }
	h.write = func(path string, data []byte, mode os.FileMode) error {
		if h.full {
			return syscall.ENOSPC
		}
		return os.WriteFile(path, data, mode) // crashes in the middle are atomicfile's, and it is slow
	}
}

func (m *model) say(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

func (m *model) any() *modelHost { return m.hosts[m.rand.IntN(len(m.hosts))] }

func (m *model) step() {
	h := m.any()
	switch n := m.rand.IntN(100); {
	case n < 50:
		m.exchange(h, m.any())
	case n < 62:
		m.change(h)
	case n < 66:
		m.revoke(h)
	case n < 68:
		m.pack(h)
	case n < 74:
		m.standing(h)
	case n < 77:
		m.makeAgain(h)
	case n < 82:
		h.side = m.rand.IntN(2)
		m.say("host %d is on side %d", h.number, h.side)
	case n < 86:
		h.full = !h.full
		m.say("host %d: disk full: %v", h.number, h.full)
	case n < 92:
		m.restart(h)
	case n < 94:
		m.damage(h)
	case n < 96:
		h.off = time.Duration(m.rand.Int64N(int64(clockMargin))) - clockMargin/2
	case n < 98:
		m.mend(h)
	default:
		time.Sleep(time.Duration(m.rand.Int64N(int64(2 * time.Hour))))
	}
}

// exchange is a push/pull and the fetches and offers that follow from it. Any of them may get lost.
func (m *model) exchange(a, b *modelHost) {
	if a == b || a.side != b.side {
		return
	}
	missing, ahead, err := a.Compare(b.Digest())
	if err != nil {
		m.t.Errorf("Compare: %v", err)
	}
	hand := func(from, to *modelHost, refs []Ref) {
		for _, r := range refs {
			if raw, _, ok := from.Get(r.Kind, r.Name); ok && m.rand.IntN(10) > 0 {
				changed, err := to.Put(raw)
				m.say("host %d gives host %d %s %s: %v %v", from.number, to.number, r, r.Hash.Short(), changed, err)
			}
		}
	}
	hand(b, a, missing)
	hand(a, b, ahead)
}

// change is an admin's command: it makes the next version of what the host has.
func (m *model) change(h *modelHost) {
	now, ref, ok := h.Get("roster", "acme")
	if !ok || ref.Version > 50 {
		return // damaged, and not fetched yet
	}
	m.put(h, next(string(now), "roster", "acme", fmt.Sprintf("change%d", m.rand.Uint32())))
}

func (m *model) put(h *modelHost, doc string) {
	hash := HashOf([]byte(doc))
	m.made[hash] = doc
	changed, err := h.Put([]byte(doc))
	if changed && err == nil {
		m.done = append(m.done, hash)
	} else if !errors.Is(err, ErrUnsaved) {
		m.t.Errorf("the next version was not taken: %v, %v", changed, err)
	}
	m.say("host %d: %.25s is made as %s: %v", h.number, doc, hash.Short(), err)
}

// makeAgain makes a change again that was lost.
func (m *model) makeAgain(h *modelHost) {
	now, _, ok := h.Get("roster", "acme")
	if lost := lostRosters(h); ok && len(lost) > 0 {
		m.put(h, nextMerging(string(now), string(lost[0].Raw), fmt.Sprintf("again%d", m.rand.Uint32())))
	}
}

func lostRosters(h *modelHost) []Lost {
	return slices.DeleteFunc(h.Lost(), func(l Lost) bool { return l.Kind != "roster" })
}

func nextMerging(prev, lost, text string) string {
	f, _ := verifyPlain([]byte(prev))
	l, _ := verifyPlain([]byte(lost))
	before, branch := HashOf([]byte(prev)), HashOf([]byte(lost))
	return fmt.Sprintf("roster acme %d %s lineage:%x%x merged:%x%x%x%x", f.Version+1, text, before[:LineageStep], f.Lineage, f.Merged, branch[:LineageStep], l.Lineage, l.Merged)
}

// revoke makes a revocation, of one key in three one that was revoked before, perhaps less.
func (m *model) revoke(h *modelHost) { m.revokeWith(h, map[string]Entry{}) }

// pack makes one of some that the host has, and a new one.
func (m *model) pack(h *modelHost) {
	all := map[string]Entry{}
	for _, raw := range h.All("revocation") {
		f, _ := verifyPlain(raw)
		for name, e := range f.Entries {
			if old, twice := all[name]; m.rand.IntN(10) > 0 && !e.over(h.now()) && (!twice || e.includes(old)) {
				all[name] = e
			}
		}
	}
	m.revokeWith(h, all)
}

func (m *model) revokeWith(h *modelHost, entries map[string]Entry) {
	name := fmt.Sprintf("n%d", m.rand.Uint32N(30))
	e := Entry{Level: uint64(m.rand.IntN(2)), Until: time.Unix(time.Now().Add(time.Hour+time.Duration(m.rand.Int64N(int64(48*time.Hour)))).Unix(), 0)}
	if old, twice := entries[name]; !twice || e.includes(old) {
		entries[name] = e
	}
	doc := saying(entries, fmt.Sprintf("by%d", m.rand.Uint32()))
	_, err := h.Put([]byte(doc))
	m.say("host %d: %s: %v", h.number, doc, err)
	if err != nil && !errors.Is(err, ErrOlder) {
		return // it may be in memory only
	}
	for name, e := range entries {
		if errors.Is(err, ErrOlder) && len(h.Unsaved()) > 0 {
			return // in memory only, too
		}
		if old, twice := m.revoked[name]; !twice || e.includes(old) {
			m.revoked[name] = e
		}
	}
}

// says reports whether a host has an entry.
func (h *modelHost) says(name string, e Entry) bool {
	for _, raw := range h.All("revocation") {
		f, _ := verifyPlain(raw)
		if mine, ok := f.Entries[name]; ok && mine.includes(e) {
			return true
		}
	}
	return false
}

// standing makes an admin's document, changes it or ends it.
func (m *model) standing(h *modelHost) {
	name := fmt.Sprintf("j%d", m.rand.IntN(3))
	now, _, _ := h.Get("standing", name)
	until := "until:" + fmt.Sprint(time.Now().Add(72*time.Hour).Unix())
	words := fmt.Sprintf("text%d signer:bob %s", m.rand.Uint32(), until)
	if now != nil && m.rand.IntN(3) == 0 {
		words += " ended"
	}
	if _, err := h.Put([]byte(next(string(now), "standing", name, words))); err != nil && !errors.Is(err, ErrUnsaved) {
		m.t.Errorf("standing job: %v", err)
	}
}

func (m *model) restart(h *modelHost) {
	dir, had := h.dir, h.List()
	h.Store = openTestStore(m.t, dir)
	m.fit(h)
	m.say("host %d restarts with %v after %v", h.number, h.List(), had)
}

// damage destroys a file whose document somebody else has on disk too.
func (m *model) damage(h *modelHost) {
	for _, r := range h.List() {
		other := m.any()
		_, theirs, _ := other.Get(r.Kind, r.Name)
		file := filepath.Join(h.dir, fileName(r))
		onDisk, err := os.ReadFile(file)
		if other == h || err != nil || theirs.Hash != r.Hash || HashOf(onDisk) != r.Hash || len(other.Unsaved()) > 0 {
			continue
		}
		if err := os.WriteFile(file, onDisk[:m.rand.IntN(len(r.Kind))], 0o600); err != nil {
			m.t.Fatal(err)
		}
		m.say("host %d: %s is damaged", h.number, r)
		m.restart(h)
		return
	}
}

func (m *model) mend(h *modelHost) {
	if err := h.Mend(); err != nil && !h.full {
		m.t.Errorf("Mend on a disk that is not full: %v", err)
	}
}

// settle makes all well again and lets everybody talk.
func (m *model) settle() {
	for _, h := range m.hosts {
		h.side, h.full, h.off = 0, false, 0
	}
	for range 10 {
		for _, a := range m.hosts {
			m.mend(a)
			for _, b := range m.hosts {
				m.exchange(a, b)
			}
		}
	}
	for _, h := range m.hosts {
		m.mend(h)
		m.restart(h) // what counts is on disk
	}
}

func (m *model) check() {
	first := m.hosts[0]
	named := map[[LineageStep]byte]bool{}
	for _, h := range m.hosts {
		if !bytes.Equal(h.Digest(), first.Digest()) {
			m.t.Errorf("host %d has %v, host 0 has %v", h.number, h.List(), first.List())
		}
		for name, e := range m.revoked {
			if !h.says(name, e) && time.Now().Add(2*clockMargin).Before(e.Until) {
				m.t.Errorf("host %d: the revocation of %s is gone", h.number, name)
			}
		}
		for _, l := range lostRosters(h) {
			m.follow(l.Hash, named)
		}
	}
	_, ref, _ := first.Get("roster", "acme")
	m.follow(ref.Hash, named)
	for _, h := range m.done {
		if !named[[LineageStep]byte(h[:])] {
			m.t.Errorf("roster %s was reported as done, and is neither in force nor named as lost", h.Short())
		}
	}
}

// follow adds a version and all that went into it.
func (m *model) follow(h Hash, into map[[LineageStep]byte]bool) {
	f, err := verifyPlain([]byte(m.made[h]))
	if err != nil {
		m.t.Fatalf("nobody made %s", h.Short())
	}
	into[[LineageStep]byte(h[:])] = true
	for _, list := range [][]byte{f.Lineage, f.Merged} {
		for at := 0; at < len(list); at += LineageStep {
			into[[LineageStep]byte(list[at:])] = true
		}
	}
}
