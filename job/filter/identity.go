package filter

import (
	"fmt"
	"path"
	"strings"
)

// identities is what all -I together select: a host that any of them names.
type identities struct {
	names    []string        // in the order typed, each once
	named    map[string]bool // the same
	globs    []string
	patterns []pattern
}

func (ids *identities) fits(name string) bool {
	if ids.named[name] {
		return true
	}
	for _, g := range ids.globs {
		if ok, _ := path.Match(g, name); ok { // checked when parsed
			return true
		}
	}
	for _, p := range ids.patterns {
		if p.fits(name) {
			return true
		}
	}
	return false
}

// exact reports whether only names were given.
func (ids *identities) exact() bool { return len(ids.globs) == 0 && len(ids.patterns) == 0 }

// add parses one -I.
func (ids *identities) add(s string, b *budget) error {
	if strings.HasPrefix(s, "/") {
		p, err := b.pattern(s)
		ids.patterns = append(ids.patterns, p)
		return err
	}
	names, err := expandNodes(s, checkGlob)
	if err != nil {
		return err
	}
	if b.names += len(names); b.names > MaxNames {
		return fmt.Errorf("the filter names more than %d hosts", MaxNames)
	}
	for _, name := range names {
		if isGlob(name) {
			if err := b.term(); err != nil {
				return err
			}
			ids.globs = append(ids.globs, name)
			continue
		}
		if ids.named[name] {
			continue
		}
		if ids.named == nil {
			ids.named = map[string]bool{}
		}
		ids.named[name] = true
		ids.names = append(ids.names, name)
	}
	return nil
}

func isGlob(s string) bool { return strings.ContainsAny(s, "*?") }

// checkGlob lets through what is a host name when * and ? stand for something.
func checkGlob(s string) error {
	if isGlob(s) {
		s = strings.NewReplacer("*", "x", "?", "x").Replace(s)
	}
	return checkHostName(s)
}
