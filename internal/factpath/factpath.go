// Package factpath finds a fact by its name: on a host, and in an inventory file that stands for one.
package factpath

import (
	"strconv"
	"strings"
)

// maxPath bounds a path, in bytes.
const maxPath = 1024

// Find finds a fact by name. A dot goes one level down ("os.release.major"), a number selects from a list
// ("processors.models.0"). A key that itself has dots is found too, and first ("networking.interfaces.eth0.100.ip",
// or a custom fact called "my.fact"). As in Facter, the case of the outermost name does not matter if it is not found
// as written. A fact that is there with the value nil is found.
func Find(facts map[string]any, path string) (any, bool) {
	if path == "" || len(path) > maxPath {
		return nil, false
	}
	if v, ok := find(facts, path); ok {
		return v, true
	}
	top, _, _ := strings.Cut(path, ".")
	lower := strings.ToLower(top)
	if lower == top {
		return nil, false
	}
	return find(facts, lower+path[len(top):])
}

// find tries the whole path as a key before any part of it, shorter parts before longer ones.
func find(v any, path string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if found, ok := v[path]; ok {
			return found, true
		}
		for i := range len(path) {
			if path[i] != '.' {
				continue
			}
			if inner, ok := v[path[:i]]; ok {
				if found, ok := find(inner, path[i+1:]); ok {
					return found, true
				}
			}
		}
	case []any:
		index, rest, deeper := strings.Cut(path, ".")
		n, err := strconv.ParseUint(index, 10, 31)
		if err != nil || n >= uint64(len(v)) || strconv.FormatUint(n, 10) != index {
			return nil, false
		}
		if !deeper {
			return v[n], true
		}
		return find(v[n], rest)
	}
	return nil, false
}
