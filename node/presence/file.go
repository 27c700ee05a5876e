package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/atomicfile"
)

const fileSchema = "fleet.presence/1"

// file is what outlives a restart: who should be there.
type file struct {
	Schema string     `json:"schema"`
	Saved  time.Time  `json:"saved"`
	Hosts  []fileHost `json:"hosts"`
}

type fileHost struct {
	Node  identity.ID   `json:"node"`
	Name  string        `json:"name"`
	Role  identity.Role `json:"role"`
	State State         `json:"state"`
	Came  int64         `json:"came"` // Unix milliseconds, as Since
	Since int64         `json:"since"`
	Token identity.ID   `json:"token,omitempty"`
}

// Save writes the table to the file at path if it has changed since. It blocks for the disk.
func (t *Table) Save(now time.Time, path string) error {
	t.mu.Lock()
	dirty := t.dirty
	t.dirty = false
	t.mu.Unlock()
	if !dirty {
		return nil
	}
	f := file{Schema: fileSchema, Saved: now.UTC()}
	for _, h := range t.Hosts(now) {
		f.Hosts = append(f.Hosts, fileHost{h.Node, h.Name, h.Role, h.State, h.Came.UnixMilli(), h.Since.UnixMilli(), h.Token})
	}
	slices.SortFunc(f.Hosts, func(a, b fileHost) int { return strings.Compare(string(a.Node), string(b.Node)) })
	raw, err := json.Marshal(f)
	if err == nil {
		err = atomicfile.Write(path, append(raw, '\n'), 0o600)
	}
	if err != nil {
		t.mu.Lock()
		t.dirty = true
		t.mu.Unlock()
		return fmt.Errorf("keep who is connected: %w", err)
	}
	return nil
}

// Load fills an empty table with those who were known when the file was written. Who was connected then has a while to
// come back before it counts as failed. Without a file there is nobody.
func (t *Table) Load(now time.Time, path string) error {
	hosts, saved, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("who was connected before cannot be read from %s: %w", path, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range hosts {
		until := now
		if h.State == Connected {
			h.State, h.Since, until = Failed, saved, now.Add(storm)
		}
		if h.Since.After(now) { // the clock was set back
			h.Since = now
		}
		if now.Sub(h.Since) <= keep(h.Role) {
			t.gone[h.Node] = &lost{h, until}
		}
	}
	return nil
}

func readFile(path string) ([]Host, time.Time, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, time.Time{}, err
	}
	return decodeFile(raw)
}

// decodeFile reads what Save wrote.
func decodeFile(raw []byte) ([]Host, time.Time, error) {
	if len(raw) > maxFile {
		return nil, time.Time{}, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, time.Time{}, err
	}
	if f.Schema != fileSchema {
		return nil, time.Time{}, fmt.Errorf("its schema is %q, not %q", f.Schema, fileSchema)
	}
	hosts := make([]Host, len(f.Hosts))
	for i, s := range f.Hosts {
		var err error
		if hosts[i], err = (wireHost{Node: s.Node, Name: s.Name, Role: roleNumber(s.Role), State: s.State, Came: s.Came, Since: s.Since, Token: s.Token}).host(); err != nil {
			return nil, time.Time{}, err
		}
	}
	return hosts, f.Saved, nil
}
