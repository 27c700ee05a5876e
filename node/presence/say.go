package presence

import (
	"slices"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
)

// voice is what this peer tells the others.
type voice struct {
	epoch   int64 // 0: it runs no broker, and has nothing to tell
	seq     uint64
	changed map[identity.ID]bool
	spoke   time.Time
	asked   bool // the whole is due
	whole   time.Time
	ask     bool // the whole of others is wanted
	wanted  time.Time
}

// change notes that there is something to tell of a host.
func (v *voice) change(id identity.ID) {
	if v.epoch != 0 {
		v.changed[id] = true
	}
}

// SetBroker says that this peer runs a broker from now on, or not any more: then those connected to it look for another.
func (t *Table) SetBroker(now time.Time, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.own
	t.own = map[identity.ID]Host{}
	for _, h := range own {
		t.lose(h, now, now.Add(storm))
	}
	t.said = voice{changed: map[identity.ID]bool{}, ask: true}
	if on {
		t.said.epoch, t.said.asked = now.UnixMilli(), true
	}
}

// Ask has the others asked for all that they know, with the next message: this peer begins to hear them.
func (t *Table) Ask() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said.ask, t.said.wanted = true, time.Time{}
}

// Say returns what is to be told to the other peers now, each a message; usually nothing.
func (t *Table) Say(now time.Time) [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &t.said
	ask := (v.ask || t.gaps()) && now.Sub(v.wanted) >= wholeAgain
	var messages []message
	switch {
	case v.epoch == 0:
		if ask {
			messages = []message{{}}
		}
	case v.asked && now.Sub(v.whole) >= wholeAgain, now.Sub(v.whole) >= wholeEvery:
		messages = t.whole()
		v.asked, v.whole = false, now
	case len(v.changed) > 0 || now.Sub(v.spoke) >= beat || ask:
		messages = t.changes()
	}
	if len(messages) == 0 {
		return nil
	}
	if messages[0].Ask = ask; ask {
		v.ask, v.wanted = false, now
	}
	v.spoke = now
	return t.encode(messages)
}

func (t *Table) encode(messages []message) [][]byte {
	var out [][]byte
	for _, m := range messages {
		if m.Epoch = t.said.epoch; m.Epoch != 0 {
			t.said.seq++
			m.Seq = t.said.seq
		}
		raw, err := m.encode()
		if err != nil {
			t.log.Error("cannot encode presence", logkey.Error, err)
			continue
		}
		out = append(out, raw)
	}
	return out
}

// gaps says whether something of what others told was missed.
func (t *Table) gaps() bool {
	for _, s := range t.tellers {
		if s.gap {
			return true
		}
	}
	return false
}

// whole is all that is connected here, and all that is gone.
func (t *Table) whole() []message {
	list := make([]wireHost, 0, len(t.own)+len(t.gone))
	for _, h := range t.own {
		list = append(list, toWire(h))
	}
	for _, l := range t.gone {
		list = append(list, toWire(l.Host))
	}
	parts := slices.Collect(slices.Chunk(list[:min(len(list), maxPart*maxParts)], maxPart))
	if len(parts) == 0 {
		parts = [][]wireHost{nil}
	}
	messages := make([]message, len(parts))
	for i, p := range parts {
		messages[i] = message{Part: uint8(i + 1), Parts: uint8(len(parts)), Hosts: p}
	}
	clear(t.said.changed)
	return messages
}

// changes is what is new since the last message.
func (t *Table) changes() []message {
	var list []wireHost
	for id := range t.said.changed {
		if h, ok := t.own[id]; ok {
			list = append(list, toWire(h))
		} else if l, ok := t.gone[id]; ok {
			list = append(list, toWire(l.Host))
		} else if h, ok := t.held(id); ok { // it is on another broker already
			h.State = Failed
			list = append(list, toWire(h))
		}
	}
	clear(t.said.changed)
	messages := []message{}
	for part := range slices.Chunk(list, maxPart) {
		messages = append(messages, message{Hosts: part})
	}
	if len(messages) == 0 {
		messages = []message{{}}
	}
	return messages
}
