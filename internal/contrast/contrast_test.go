package contrast

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// parse makes hosts of lines such as "+ rack=3 class:web": a plus marks the group, the first word after it is the value
// to explain.
func parse(lines ...string) (hosts []Host, about []string, group []bool) {
	for _, l := range lines {
		words := strings.Fields(l)
		h := Host{}
		for _, w := range words[2:] {
			name, value, _ := strings.Cut(w, "=")
			class, isClass := strings.CutPrefix(name, "class:")
			h[Key{isClass, class}] = value
		}
		hosts, about, group = append(hosts, h), append(about, words[1]), append(group, words[0] == "+")
	}
	return hosts, about, group
}

func fact(name, value string, few, many int, also ...string) Reason {
	return Reason{Key: Key{Name: name}, Value: value, Few: few, Many: many, Also: also}
}

func TestExplain(t *testing.T) {
	has := func(name string, class bool, few, many int) Reason {
		return Reason{Key: Key{class, name}, Any: true, Few: few, Many: many}
	}
	for _, tt := range []struct {
		name  string
		hosts []string
		want  []Reason
	}{
		{"exact", []string{"+ 5.10 rack=3 os=a", "+ 5.10 rack=3 os=b", "- 6.1 rack=1 os=a", "- 6.1 rack=2 os=b"}, []Reason{fact("rack", "3", 2, 0)}},
		{"exact the other way round", []string{"+ x rack=3", "+ x rack=4", "- y rack=1", "- y rack=1"}, []Reason{fact("rack", "1", 0, 2)}},
		{"partial", []string{"+ x rack=3", "+ x rack=3", "+ x rack=2", "- y rack=1", "- y rack=2", "- y rack=3", "- y rack=1", "- y rack=1", "- y rack=1"},
			[]Reason{fact("rack", "1", 0, 4)}},
		{"partial, of the group", []string{"+ x rack=3", "+ x rack=3", "+ x rack=2", "- y rack=1", "- y rack=2", "- y rack=4", "- y rack=5", "- y rack=6"},
			[]Reason{fact("rack", "3", 2, 0)}},
		{"none", []string{"+ x rack=1 os=a", "+ x rack=2 os=a", "- y rack=1 os=a", "- y rack=2 os=a"}, nil},
		{"ties go by name, plain facts first", []string{"+ x b=1 a.z=2 c=3", "- y b=0 a.z=0 c=0", "- y b=0 a.z=0 c=0"},
			[]Reason{fact("b", "1", 1, 0), fact("c", "3", 1, 0), fact("a.z", "2", 1, 0)}},
		{"a fact the others lack", []string{"+ x gpu=a", "+ x gpu=b", "- y", "- y"}, []Reason{has("gpu", false, 2, 0)}},
		{"a fact only the others have", []string{"+ x", "+ x", "- y gpu=a", "- y gpu=b"}, []Reason{has("gpu", false, 0, 2)}},
		{"a class", []string{"+ x class:old", "+ x class:old class:web", "- y class:web", "- y"}, []Reason{has("old", true, 2, 0)}},
		{"what says the same is no reason", []string{"+ 5.10.0-9 kernel=5.10.0 major=5.10 copy=5.10.0-9", "- 6.1.0-1 kernel=6.1.0 major=6.1 copy=6.1.0-1", "- 6.1.0-2 kernel=6.1.0 major=6.1 copy=6.1.0-2"}, nil},
		{"a number that begins the same is one", []string{"+ 1 rack=10", "- 2 rack=20", "- 2 rack=20"}, []Reason{fact("rack", "10", 1, 0)}},
		{"one host's own address is no reason", []string{"+ x ip=a rack=3", "- y ip=b rack=1", "- y ip=c rack=1", "- y ip=d rack=2"}, []Reason{fact("rack", "3", 1, 0)}},
		{"the same address on several is", []string{"+ x id=a", "+ x id=a", "- y id=b", "- y id=c", "- y id=d"}, []Reason{fact("id", "a", 2, 0)}},
		{"what one host alone has is none of a larger group", []string{"+ x up=1", "+ x up=2", "- y up=3", "- y up=4"}, nil},
		{"the same value under other names", []string{"+ x net=3 net_eth0=3 other=3x", "- y net=1 net_eth0=1 other=1x", "- y net=1 net_eth0=1 other=1x"},
			[]Reason{fact("net", "3", 1, 0, "net_eth0"), fact("other", "3x", 1, 0)}},
		{"nobody else", []string{"+ x rack=1", "+ x rack=2"}, nil},
		{"nobody", []string{"- x rack=1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts, about, group := parse(tt.hosts...)
			for range 5 { // maps have no order, and the answer must not depend on it
				if got := New(hosts, about).Explain(group); !reflect.DeepEqual(got, tt.want) {
					t.Fatalf("got  %+v\nwant %+v", got, tt.want)
				}
			}
		})
	}
}

func TestExplainIsBounded(t *testing.T) {
	in, out := Host{}, Host{}
	for i := range 1000 {
		in[Key{Name: fmt.Sprintf("f%03d", i)}] = fmt.Sprintf("a%d", i)
		out[Key{Name: fmt.Sprintf("f%03d", i)}] = fmt.Sprintf("b%d", i)
	}
	got := New([]Host{in, out, out}, []string{"x", "y", "y"}).Explain([]bool{true, false, false})
	if len(got) != maxExact || got[0].Key.Name != "f000" {
		t.Errorf("got %d reasons: %+v", len(got), got)
	}
}
