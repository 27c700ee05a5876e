package filter

import "testing"

func TestCould(t *testing.T) {
	labels := map[string]string{"env": "prod", "release": "12.1"}
	for _, tt := range []struct {
		name   string
		filter Filter
		want   bool
	}{
		{"nothing", Filter{}, true},
		{"its name", Filter{Identities: []string{"web*"}}, true},
		{"another name", Filter{Identities: []string{"db1", "/^mail/"}}, false},
		{"its label", Filter{Facts: []string{"env=prod"}}, true},
		{"another label", Filter{Facts: []string{"env=dev"}}, false},
		{"a fact", Filter{Facts: []string{"hagroup=c"}}, true},
		{"a fact and another label", Filter{Facts: []string{"hagroup=c", "env=/^d/"}}, false},
		{"a class", Filter{Classes: []string{"nowhere"}}, true},
		{"a plugin", Filter{Agents: []string{"nowhere"}}, true},
		{"the order of versions is the host's to know", Filter{Facts: []string{"release<12"}}, true},
		{"and", Filter{Selects: []string{"hagroup=c and env=dev"}}, false},
		{"or", Filter{Selects: []string{"hagroup=c or env=dev"}}, true},
		{"or of labels", Filter{Selects: []string{"release=3 or env=dev"}}, false},
		{"not", Filter{Selects: []string{"not env=prod"}}, false},
		{"not a fact", Filter{Selects: []string{"not hagroup=c"}}, true},
		{"not of an or", Filter{Selects: []string{"not (hagroup=c or env=prod)"}}, false},
		{"not of an and", Filter{Selects: []string{"not (hagroup=c and env=prod)"}}, true},
		{"a label by another name", Filter{Selects: []string{"fact('env').value=dev"}}, false},
		{"a data function", Filter{Selects: []string{"fstat('/x').present=true"}}, true},
		{"two selects", Filter{Selects: []string{"web", "env=dev"}}, false},
	} {
		m, err := Compile(tt.filter)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if got := m.Could("web1", labels); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
