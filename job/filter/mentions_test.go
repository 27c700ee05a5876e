package filter

import (
	"slices"
	"testing"
)

func TestMentions(t *testing.T) {
	f, err := Build(Flags{
		Identity: []string{"web1"}, With: []string{"webserver rack=3 /dev/"}, Fact: []string{"rack!=4", "os.name=Debian"}, Class: []string{"base", "/x/"},
		Agent: []string{"package"}, Select: []string{"not (db or fact('odd name').value=1) and service('nginx').status=running"},
	})
	if err != nil {
		t.Fatal(err)
	}
	facts, classes := f.Mentions()
	if want := []string{"rack", "os.name", "odd name"}; !slices.Equal(facts, want) {
		t.Errorf("facts %q, want %q", facts, want)
	}
	if want := []string{"webserver", "base", "db"}; !slices.Equal(classes, want) {
		t.Errorf("classes %q, want %q", classes, want)
	}
}
