package filter

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fleet/internal/factpath"
)

// InventoryHost is a host out of an inventory file. It implements Host and has no data functions beyond fact and agent.
type InventoryHost struct {
	name            string
	facts           map[string]any
	classes, agents []string
}

func (h InventoryHost) Name() string        { return h.name }
func (h InventoryHost) Classes() []string   { return h.classes }
func (h InventoryHost) Agents() []string    { return h.agents }
func (h InventoryHost) HasData(string) bool { return false }

// Data always fails: a file cannot be asked.
func (h InventoryHost) Data(context.Context, string, string) (map[string]any, error) {
	return nil, errors.New("an inventory file has no data functions")
}

// Fact finds a fact as the node does.
func (h InventoryHost) Fact(path string) (any, bool) { return factpath.Find(h.facts, path) }

// ReadInventory reads {"nodes":[{"name":...,"facts":{...},"classes":[...],"agents":[...]}]}. It is strict: an unknown
// or repeated key, a host named twice or anything after the end is an error with line and column. At most MaxNames hosts
// and 64 MiB are read. It blocks as r does.
func ReadInventory(r io.Reader) ([]InventoryHost, error) {
	data, err := readBounded(r, maxInventoryBytes)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	d := newDocument(withoutMark(data))
	hosts, err := d.inventory()
	if err != nil {
		return nil, fmt.Errorf("inventory: %s: %w", d.position(), err)
	}
	return hosts, nil
}

func (d *document) inventory() (hosts []InventoryHost, err error) {
	found := false
	err = d.object(func(key string) error {
		if key != "nodes" {
			return fmt.Errorf(`unknown key %q; an inventory is {"nodes":[...]}`, clip(key))
		}
		found = true
		hosts, err = d.nodes()
		return err
	})
	if err == nil && !found {
		err = errors.New(`the key "nodes" is missing`)
	}
	if err == nil {
		err = d.end()
	}
	return hosts, err
}

func (d *document) nodes() (hosts []InventoryHost, err error) {
	seen := map[string]bool{}
	err = d.array(func() error {
		h, err := d.node()
		switch {
		case err != nil:
			return err
		case seen[h.name]:
			return fmt.Errorf("the host %s is listed twice", h.name)
		case len(hosts) == MaxNames:
			return fmt.Errorf("more than %d hosts", MaxNames)
		}
		seen[h.name] = true
		hosts = append(hosts, h)
		return nil
	})
	return hosts, err
}

func (d *document) node() (h InventoryHost, err error) {
	err = d.object(func(key string) (err error) {
		switch key {
		case "name":
			if h.name, err = d.text(); err == nil {
				err = checkHostName(h.name)
			}
		case "facts":
			var v any
			v, err = d.value(0)
			facts, ok := v.(map[string]any)
			if err == nil && !ok && v != nil {
				err = errors.New("facts must be an object")
			}
			h.facts = facts
		case "classes":
			h.classes, err = d.texts()
		case "agents":
			h.agents, err = d.texts()
		default:
			err = fmt.Errorf("unknown key %q; a node has name, facts, classes and agents", clip(key))
		}
		return err
	})
	if err == nil && h.name == "" {
		err = errors.New("a node has no name")
	}
	return h, err
}
