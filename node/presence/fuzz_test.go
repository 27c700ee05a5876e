package presence

import (
	"log/slog"
	"testing"
	"time"

	"fleet/identity"
)

// Whatever a peer says, what is kept of it can be listed, told on and written down.
func FuzzHear(f *testing.F) {
	for _, m := range []message{
		{},
		{Ask: true},
		{Epoch: 1, Seq: 1, Part: 1, Parts: 1},
		{Epoch: 1, Seq: 1, Hosts: []wireHost{
			{Node: idOf("x"), Name: "webx", Role: 2, State: Connected, Came: 5, Since: 5},
			{Node: idOf("y"), Name: "weby", Role: 3, State: Left, Came: 5, Since: 9},
		}},
	} {
		raw, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		table := New(idOf("a"), slog.New(slog.DiscardHandler))
		table.SetBroker(time.UnixMilli(10), true)
		if _, err := table.Hear(time.UnixMilli(10), idOf("b"), raw); err != nil {
			return
		}
		table.Tick(time.UnixMilli(11))
		for _, h := range table.Hosts(time.UnixMilli(11)) {
			if !h.Node.Valid() || identity.CheckHostName(h.Name) != nil || h.State < Connected || h.State > Left {
				t.Errorf("%+v", h)
			}
		}
		for _, said := range table.Say(time.UnixMilli(12)) {
			if _, _, err := decode(said); err != nil {
				t.Errorf("what is told on does not decode: %v", err)
			}
		}
	})
}

func FuzzDecodeFile(f *testing.F) {
	f.Add([]byte(`{"schema":"fleet.presence/1","saved":"2026-01-01T12:00:00Z","hosts":[{"node":"xxxxxxxxxxxxxxxxxxxxxxxxxx","name":"webx","role":"member","state":2,"came":5,"since":9}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		hosts, _, err := decodeFile(raw)
		if err != nil {
			return
		}
		for _, h := range hosts {
			if !h.Node.Valid() || identity.CheckHostName(h.Name) != nil {
				t.Errorf("%+v", h)
			}
		}
	})
}
