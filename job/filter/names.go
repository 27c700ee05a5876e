package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ReadNames reads a list of hosts, as --nodes and stdin take it, and returns each name once, in order. It is either a
// name a line, with # comments, or JSON: names, objects with one of the keys name, host or sender, arrays of these,
// objects with such an array under nodes or hosts, one after another. Other keys are ignored, so that what fleet and
// others print can be read. No name at all is an error: an empty list never means every host. At most MaxNames names and
// 8 MiB are read. It blocks as r does.
func ReadNames(r io.Reader) ([]string, error) {
	data, err := readBounded(r, maxListBytes)
	if err != nil {
		return nil, fmt.Errorf("host list: %w", err)
	}
	data = withoutMark(data)
	list := nameList{seen: map[string]bool{}}
	if first := bytes.TrimSpace(data); len(first) > 0 && strings.IndexByte(`[{"`, first[0]) >= 0 {
		err = list.json(data)
	} else {
		err = list.lines(string(data))
	}
	if err == nil && len(list.names) == 0 {
		err = errors.New("it contains no host name; an empty list does not mean every host")
	}
	if err != nil {
		return nil, fmt.Errorf("host list: %w", err)
	}
	return list.names, nil
}

type nameList struct {
	names []string
	seen  map[string]bool
}

func (l *nameList) add(name string) error {
	if err := checkHostName(name); err != nil {
		return err
	}
	if l.seen[name] {
		return nil
	}
	if len(l.names) == MaxNames {
		return fmt.Errorf("more than %d host names", MaxNames)
	}
	l.seen[name] = true
	l.names = append(l.names, name)
	return nil
}

func (l *nameList) lines(text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if err := l.add(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

func (l *nameList) json(data []byte) error {
	d := newDocument(data)
	for d.dec.More() {
		if err := l.value(d, 0); err != nil {
			return fmt.Errorf("%s: %w", d.position(), err)
		}
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("%s: %w", d.position(), err)
	}
	return nil
}

// value reads a name, an object that has one, or an array of these.
func (l *nameList) value(d *document, depth int) error {
	t, err := d.token()
	switch {
	case err != nil:
		return err
	case depth == maxValueDepth:
		return fmt.Errorf("nested more than %d deep", maxValueDepth)
	case t == json.Delim('['):
		return d.elements(func() error { return l.value(d, depth+1) })
	case t == json.Delim('{'):
		return l.object(d, depth)
	}
	name, ok := t.(string)
	if !ok {
		return errors.New("expected a host name")
	}
	return l.add(name)
}

func (l *nameList) object(d *document, depth int) error {
	var names []string
	listed := false
	err := d.fields(func(key string) error {
		switch key {
		case "name", "host", "sender":
			s, err := d.text()
			names = append(names, s)
			return err
		case "nodes", "hosts":
			listed = true
			return d.array(func() error { return l.value(d, depth+1) })
		}
		_, err := d.value(depth)
		return err
	})
	switch {
	case err != nil:
		return err
	case listed && len(names) > 0:
		return fmt.Errorf("an object has a name, %q, and a list of hosts; it is not clear which is meant", clip(names[0]))
	case listed:
		return nil
	case len(names) == 0:
		return errors.New("an object has none of the keys name, host, sender, nodes and hosts")
	case len(slices.Compact(names)) > 1:
		return fmt.Errorf("an object names more than one host, %q and %q", clip(names[0]), clip(names[1]))
	}
	return l.add(names[0])
}
