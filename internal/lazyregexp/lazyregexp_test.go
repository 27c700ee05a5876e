package lazyregexp

import "testing"

func TestNew(t *testing.T) {
	pattern := New(`\Aa+\z`)
	if !pattern().MatchString("aa") || pattern().MatchString("ab") || pattern() != pattern() {
		t.Error("not the pattern, or not the same each time")
	}
}
