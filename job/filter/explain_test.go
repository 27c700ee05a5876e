package filter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The whole text is compared: it is what somebody reads at night before restarting things.
func TestExplain(t *testing.T) {
	tests := []struct {
		file  string
		flags Flags
	}{
		{"everyone", Flags{}},
		{"one", Flags{Fact: []string{"operatingsystem=Debian"}}},
		{"kinds", Flags{Identity: []string{"web[1-2]", "db*", "/^x/"}, With: []string{"apache os.release.full>=12.9"}, Agent: []string{"service", "/pup/"}}},
		{"many names", Flags{Identity: []string{"web[1-20]"}}},
		{"precedence", Flags{Select: []string{"apache or mysql and not hagroup=c or (a or b) and os!=/Deb/"}}},
		{"top and", Flags{Select: []string{"apache and processors>9.5 and fstat('/etc/hosts').md5=/^d4/", "agent('x').present=true"}}},
		{"odd fact name", Flags{Select: []string{"!fact('my fact').value<9 or !!os='true'"}}},
		{"not", Flags{Select: []string{"not (osfamily=Debian or service('it\\'s').status!=running)"}}},
	}
	var all strings.Builder
	for _, tt := range tests {
		f, err := Build(tt.flags)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("$ fleet filter explain " + f.String() + "\n" + strings.Join(f.Explain(), "\n") + "\n\n")
	}
	all.WriteString("(a filter that cannot be parsed)\n" + strings.Join(Filter{Selects: []string{"a b"}}.Explain(), "\n") + "\n")
	golden := filepath.Join("testdata", "explain.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("got:\n%s\nif it reads better now, run with UPDATE=1", all.String())
	}
}
