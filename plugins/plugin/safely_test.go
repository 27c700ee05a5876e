package plugin

import (
	"context"
	"strings"
	"testing"
)

// crashing crashes whatever it is asked.
type crashing struct{ DataSource }

func (crashing) Query(context.Context, string) (map[string]any, error) { panic("boom") }
func (crashing) Names(context.Context, string, string, string) (own, other []string, err error) {
	panic("boom")
}

// A plugin that crashes while a filter or a rule asks it must not take the node down, and must not be taken for an answer.
func TestACrashIsAnError(t *testing.T) {
	if data, err := SafelyQuery(t.Context(), crashing{}, "x"); data != nil || err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a query: %v, %v", data, err)
	}
	if own, other, err := SafelyNames(t.Context(), crashing{}, "restart", "service", "x"); own != nil || other != nil || err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("names: %v, %v, %v", own, other, err)
	}
}
