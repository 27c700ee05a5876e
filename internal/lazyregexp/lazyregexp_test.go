package lazyregexp

import "testing"

func TestNew(t *testing.T) {
	pattern := New(`\Aa+\z`)
	first := pattern()
	if !first.MatchString("aa") || first.MatchString("ab") || pattern() != first {
		t.Error("not the pattern, or not the same each time")
	}
}
