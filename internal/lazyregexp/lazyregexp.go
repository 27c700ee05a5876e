// Package lazyregexp compiles regular expressions at their first use. In a package variable they would be compiled before main,
// for every command, most of which use none.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what compiles the pattern once and then returns it; it panics, at the first use, if the pattern is broken. It may
// be called by several goroutines at once.
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
