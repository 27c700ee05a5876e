package filter

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadInventory(t *testing.T) {
	hosts, err := ReadInventory(strings.NewReader(`{"nodes": [
		{"name": "web1", "facts": {"os": {"family": "Debian"}, "cpus": 4, "load": 0.5, "big": 1e30, "ok": true, "no": null, "l": [1, "a"], "my.fact": "x"},
		 "classes": ["apache"], "agents": ["service"]},
		{"name": "db1", "facts": null, "classes": null},
		{"name": "db2"}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []InventoryHost{
		{"web1", map[string]any{"os": map[string]any{"family": "Debian"}, "cpus": int64(4), "load": 0.5, "big": 1e30, "ok": true, "no": nil,
			"l": []any{int64(1), "a"}, "my.fact": "x"}, []string{"apache"}, []string{"service"}},
		{name: "db1"}, {name: "db2"},
	}
	if !reflect.DeepEqual(hosts, want) {
		t.Errorf("got %+v", hosts)
	}
	for sel, want := range map[string]bool{
		"os.family=Debian and cpus>3.5 and apache": true,
		"my.fact=x and OS.family=Debian":           true,
		"agent('service').present=true":            true,
		"fact('os.family').value=Debian":           true,
		"no!=x":                                    false,
	} {
		if got, err := match(t, hosts[0], Flags{Select: []string{sel}}); got != want || err != nil {
			t.Errorf("%s: got %v, %v", sel, got, err)
		}
	}
	if got, err := match(t, hosts[0], Flags{Select: []string{"not service('nginx').status=running"}}); got || err == nil {
		t.Errorf("a data function offline: got %v, %v", got, err)
	}
	if _, err := hosts[0].Data(context.Background(), "service", "nginx"); err == nil {
		t.Error("an inventory answered a data function")
	}
}

func TestReadInventoryRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxValueDepth+1) + "1" + strings.Repeat("}", maxValueDepth+1)
	tests := []struct{ text, err string }{
		{``, `line 1, column 1: the text ends in the middle`},
		{`[]`, `line 1, column 2: an object expected here`},
		{`{}`, `the key "nodes" is missing`},
		{`{"nodes":[]} x`, `something follows the end`},
		{`{"nodes":[]} {"nodes":[]}`, `something follows the end`},
		{`{"nodes":[],"nodes":[]}`, `the key "nodes" is listed twice`},
		{`{"Nodes":[]}`, `unknown key "Nodes"; an inventory is {"nodes":[...]}`},
		{"{\"nodes\":[\n {\"name\":\"a\"},\n {\"nmae\":\"b\"}]}", `inventory: line 3, column 9: unknown key "nmae"; a node has name, facts, classes and agents`},
		{"{\"nodes\":[\n {\"name\":\"a\"},\n {\"name\":\"a\"}]}", `line 3, column 14: the host a is listed twice`},
		{`{"nodes":[{}]}`, `a node has no name`},
		{`{"nodes":[{"name":"a b"}]}`, `"a b" has ' ' in it`},
		{`{"nodes":[{"name":""}]}`, `a host name is missing`},
		{`{"nodes":[{"name":1}]}`, `expected text in quotes`},
		{`{"nodes":["a"]}`, `an object expected here`},
		{`{"nodes":{}}`, `expected an array`},
		{`{"nodes":[{"name":"a","facts":[]}]}`, `facts must be an object`},
		{`{"nodes":[{"name":"a","facts":{"a":1,"a":2}}]}`, `the key "a" is listed twice`},
		{`{"nodes":[{"name":"a","facts":{"a":1e999}}]}`, `value out of range`},
		{`{"nodes":[{"name":"a","facts":` + deep + `}]}`, `nested more than 32 deep`},
		{`{"nodes":[{"name":"a","classes":"x"}]}`, `expected an array`},
		{`{"nodes":[{"name":"a","classes":[1]}]}`, `expected text in quotes`},
		{`{"nodes":[{"name":"a"`, `the text ends in the middle`},
		{`{"nodes":[{"name":"a",}]}`, `invalid character`},
		{`{"nodes":[` + strings.Repeat(`{"name":"a"},`, 2), `is listed twice`},
	}
	for _, tt := range tests {
		if hosts, err := ReadInventory(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%.100s: got %v, %v; want %s", tt.text, hosts, err, tt.err)
		}
	}
	var many strings.Builder
	for i := range MaxNames + 1 {
		fmt.Fprintf(&many, `{"name":"h%d"},`, i)
	}
	if _, err := ReadInventory(strings.NewReader(`{"nodes":[` + many.String())); err == nil || !strings.Contains(err.Error(), "more than 10000 hosts") {
		t.Errorf("got %v", err)
	}
	broken := errors.New("unplugged")
	if _, err := ReadInventory(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestReadNames(t *testing.T) {
	tests := []struct {
		text, want string // want: names, or the error behind a !
	}{
		{"web1\nweb2\n", "web1 web2"},
		{"# the webs\r\nweb1   # first\r\n\r\n  web2\t\r\nweb1", "web1 web2"},
		{"\uFEFFweb1", "web1"},
		{`["web1", "web2", "web1"]`, "web1 web2"},
		{`[{"name":"web1","state":{"a":[1]}},{"host":"web2"},{"sender":"web3"}]`, "web1 web2 web3"},
		{`{"schema":"fleet/find/1","nodes":["web1",{"name":"web2","facts":{"name":"x"}}]}`, "web1 web2"},
		{`{"hosts":[{"host":"web1"}]}`, "web1"},
		{"{\"name\":\"web1\"}\n{\"host\":\"web2\",\"name\":\"web2\"}\n", "web1 web2"},
		{`"web1" "web2"`, "web1 web2"},
		{"", "!it contains no host name; an empty list does not mean every host"},
		{" \n# nothing\n", "!it contains no host name"},
		{"[]", "!it contains no host name"},
		{`{"nodes":[]}`, "!it contains no host name"},
		{`{"nodes":null}`, "!it contains no host name"},
		{"web1\nweb 2\n", `!line 2: "web 2" has ' ' in it`},
		{"web1\n-y\n", "!looks like an option"},
		{"web[1-2]\n", "!has '[' in it"},
		{"web*\n", "!has '*' in it"},
		{"web1,web2\n", "!has ',' in it"},
		{"[\"web1\",\n 5]", "!line 2, column 3: expected a host name"},
		{`[null]`, "!expected a host name"},
		{`[""]`, "!a host name is missing"},
		{`{"name":""}`, "!a host name is missing"},
		{`{"name":null}`, "!expected text in quotes"},
		{`{"id":"web1"}`, "!an object has none of the keys name, host, sender, nodes and hosts"},
		{`{"name":"web1","host":"web2"}`, `!an object names more than one host, "web1" and "web2"`},
		{`{"name":"acme","hosts":["web1"]}`, "!it is not clear which is meant"},
		{`["web1"`, "!the text ends in the middle"},
		{`["web1"] x`, "!"},
		{`["web1"]]`, "!something follows the end"},
		{strings.Repeat("[", 10000), "!nested more than 32 deep"},
		{strings.Repeat(`{"nodes":[`, 10000), "!nested more than 32 deep"},
		{strings.Repeat("x", maxListBytes+1), "!longer than 8 MiB"},
		{strings.Join(numbers("web", 1, MaxNames+1), "\n"), "!line 10001: more than 10000 host names"},
	}
	for _, tt := range tests {
		got, err := ReadNames(strings.NewReader(tt.text))
		if want, isError := strings.CutPrefix(tt.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) || got != nil {
				t.Errorf("%.100q: got %v, %v; want %s", tt.text, got, err, want)
			}
		} else if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%.100q: got %v, %v", tt.text, got, err)
		}
	}
}

func FuzzReadInventory(f *testing.F) {
	f.Add([]byte(`{"nodes":[{"name":"a","facts":{"x":[1,{"y":null}]},"classes":["c"],"agents":[]}]}`))
	f.Add([]byte(`{"nodes":[{"name":"a"},{"name":"a"}]}`))
	f.Add([]byte(`{"nodes":`))
	m, err := Compile(Filter{Selects: []string{"x.0.y=1 or not x>1"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		hosts, err := ReadInventory(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for _, h := range hosts {
			if checkHostName(h.Name()) != nil {
				t.Fatalf("a host called %q", h.Name())
			}
			if _, err := m.Match(context.Background(), h); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzReadNames(f *testing.F) {
	for _, s := range []string{"web1\n#x\nweb2", `["a",{"name":"b"}]`, `{"hosts":[{"host":"a"}]}`, `{"name":"a"}{"name":"b"}`, `"a"`, "[", "\uFEFFa"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := ReadNames(strings.NewReader(string(data)))
		if (err == nil) != (len(names) > 0) {
			t.Fatalf("%d names, %v", len(names), err)
		}
		if err == nil {
			if again, err := ReadNames(strings.NewReader(strings.Join(names, "\n"))); err != nil || !slices.Equal(again, names) {
				t.Fatalf("%q reads as %q, %v", names, again, err)
			}
		}
	})
}
