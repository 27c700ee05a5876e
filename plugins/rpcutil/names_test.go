package rpcutil

import (
	"reflect"
	"strings"
	"testing"

	"fleet/plugins/plugin"
)

func TestNames(t *testing.T) {
	got := New(&fakeHost{}, &fakeHost{}).Run(t.Context(), plugin.Call{Action: "names", Args: plugin.Args{"facts": "hagroop,os.family,os.famly,zzz", "classes": "base,Base,webserver"}})
	want := map[string]any{
		"facts":   map[string]any{"hagroop": []any{"hagroup"}, "os.family": []any{"os.family"}, "os.famly": []any{"os.family"}, "zzz": []any{}},
		"classes": map[string]any{"base": []any{"base"}, "Base": []any{"base"}, "webserver": []any{}},
	}
	if got.State != plugin.OK || !reflect.DeepEqual(got.Data, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := New(&fakeHost{}, &fakeHost{}).Run(t.Context(), plugin.Call{Action: "names"}); got.State != plugin.OK {
		t.Errorf("without names: %+v", got)
	}
	if got := New(&fakeHost{}, &fakeHost{}).Run(t.Context(), plugin.Call{Action: "names", Args: plugin.Args{"classes": strings.Repeat("a,", maxNames+1)}}); got.State != plugin.Failed {
		t.Errorf("too many names: %+v", got)
	}
}
