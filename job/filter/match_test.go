package filter

import (
	"context"
	"errors"
	"testing"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		name  string
		flags Flags
		want  bool
	}{
		{"zero matches every host", Flags{}, true},

		{"-I exact", Flags{Identity: []string{"web1.example.com"}}, true},
		{"-I is not a substring", Flags{Identity: []string{"web1"}}, false},
		{"-I case counts", Flags{Identity: []string{"WEB1.example.com"}}, false},
		{"-I regexp is not anchored", Flags{Identity: []string{"/eb1/"}}, true},
		{"-I regexp anchored", Flags{Identity: []string{"/^eb1/"}}, false},
		{"-I glob", Flags{Identity: []string{"web*"}}, true},
		{"-I glob covers the whole name", Flags{Identity: []string{"eb*"}}, false},
		{"-I question mark", Flags{Identity: []string{"web?.example.com"}}, true},
		{"-I node set", Flags{Identity: []string{"web[1-9,12].example.com"}}, true},
		{"-I node set without it", Flags{Identity: []string{"web[2-9,12].example.com"}}, false},
		{"-I node set with a glob", Flags{Identity: []string{"web[1-9]*"}}, true},
		{"-I comma list", Flags{Identity: []string{"db1, web1.example.com"}}, true},
		{"-I repeated is or", Flags{Identity: []string{"db1", "web1.example.com"}}, true},
		{"trap: two -I that name the same host still select it", Flags{Identity: []string{"/web1/", "web1.example.com"}}, true},
		{"trap: -I does not drop the fact filter", Flags{Identity: []string{"web1.example.com"}, Fact: []string{"os.family=RedHat"}}, false},
		{"-I and -F", Flags{Identity: []string{"web1.example.com"}, Fact: []string{"os.family=Debian"}}, true},

		{"-C exact", Flags{Class: []string{"role::web"}}, true},
		{"-C is not a substring", Flags{Class: []string{"web"}}, false},
		{"-C regexp", Flags{Class: []string{"/web$/"}}, true},
		{"-C repeated is and", Flags{Class: []string{"apache", "mysql"}}, false},
		{"-C all there", Flags{Class: []string{"apache", "/web/"}}, true},
		{"-A exact", Flags{Agent: []string{"service"}}, true},
		{"-A missing", Flags{Agent: []string{"puppet"}}, false},
		{"-A regexp", Flags{Agent: []string{"/^pack/"}}, true},

		{"-F repeated is and", Flags{Fact: []string{"hagroup=c", "processors=4"}}, false},
		{"-F spaces around the operator", Flags{Fact: []string{" hagroup  =  c "}}, true},
		{"-W two facts must both hold", Flags{With: []string{"operatingsystem=Debian operatingsystemrelease=8.5"}}, false},
		{"-W two facts both hold", Flags{With: []string{"operatingsystem=Debian operatingsystemrelease=12.11"}}, true},
		{"-W facts and classes", Flags{With: []string{"apache  hagroup=c\t/role/"}}, true},
		{"-W a class that is not there", Flags{With: []string{"mysql hagroup=c"}}, false},
		{"-W repeated is and", Flags{With: []string{"apache", "hagroup=a"}}, false},
		{"-W class regexp with an operator in it", Flags{With: []string{"/a=b|apache/"}}, true},
		{"trap: nested facts in -W", Flags{With: []string{"os.release.major=12"}}, true},
		{"trap: nested facts in -F", Flags{Fact: []string{"os.release.major>=12"}}, true},
		{"kinds are and", Flags{Class: []string{"apache"}, Agent: []string{"puppet"}}, false},
		{"everything at once", Flags{Identity: []string{"web*"}, With: []string{"apache hagroup=c"}, Fact: []string{"processors>4"},
			Class: []string{"/ssh/"}, Agent: []string{"package"}, Select: []string{"apache and not mysql"}}, true},
		{"two -S are and", Flags{Select: []string{"apache", "mysql"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := match(t, web1(), tt.flags); got != tt.want || err != nil {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestMatchFact(t *testing.T) {
	tests := []struct {
		fact string
		want bool
	}{
		{"hagroup=c", true}, {"hagroup==c", true}, {"hagroup=C", false}, {"hagroup!=c", false}, {"hagroup!=a", true},
		{"hagroup=/^[a-c]$/", true}, {"hagroup==/c/", true}, {"hagroup=~c", true}, {"hagroup=~/c/", true}, {"hagroup=~ ^c$", true},
		{"hagroup=~/d/", false},
		{"hagroup!=/c/", false}, // trap: there it compared with the text "/c/"
		{"hagroup!=/d/", true}, {"hagroup!~c", false}, {"hagroup!~/d/", true}, {"hagroup !~ d", true},
		{"hagroup='c'", true}, {`hagroup="c"`, true}, {"hagroup='/c/'", false},
		{"mount='/var/'", true}, {"mount=/var/", true}, {"mount=/var", false}, {"mount='/var'", false}, {`mount=~'/var/'`, true},
		{"motd=hello, (big) world", true}, {"quoted=it's", true}, {`quoted='it\'s'`, true}, {`quoted="it's"`, true},
		{"pairs=k=v", true}, {"empty=''", true}, {"empty!=x", true}, {"hagroup=''", false},

		{"processors=10", true}, {"processors=10.0", true}, {"processors=010", true}, {"processors=ten", false}, {"processors!=ten", true},
		{"processors>9.5", true}, // trap: there it compared as text
		{"processors<9.5", false}, {"processors>=10", true}, {"processors=>10", true}, {"processors=>11", false},
		{"processors=<10", true}, {"processors<=9", false}, {"processors<=ten", false}, {"processors>ten", false},
		{"processors=/^1/", true}, {"processors!=/^1/", false}, {"processors!=10", false},
		{"load<0.3", true}, {"load=.25", true}, {"load=0.250", true}, {"load=2.5e-1", true},
		{"virtual=true", true}, {"virtual!=true", false}, {"virtual!=false", true}, {"virtual=yes", false}, {"virtual>=true", false},
		{"virtual=/^tr/", true},

		{"operatingsystemrelease=12.11", true}, {"operatingsystemrelease=12.110", false}, {"operatingsystemrelease=12.1", false},
		{"operatingsystemrelease>12.9", true}, {"operatingsystemrelease<12.9", false}, {"operatingsystemrelease>=12", true},
		{"operatingsystemrelease<13", true}, {"operatingsystemrelease<trixie", false}, {"operatingsystemrelease>trixie", false},
		{"kernelrelease<6.1.0-18", true}, {"kernelrelease>6.1", true}, {"kernelrelease>=6.1.0-9-amd64", true}, {"kernelrelease>6.1.0-9-amd64", false},
		{"hagroup<d", true}, {"hagroup>d", false}, {"hagroup>=c", true},

		{"interfaces=eth0", true}, {"interfaces=eth1", false}, {"interfaces=/^eth/", true},
		{"interfaces!=eth0", true}, // lo is not: of a list one element is enough
		{"interfaces!=/lo|eth/", false}, {"interfaces.1=eth0", true}, {"interfaces.2=eth0", false},
		{"dns=x", false}, {"dns!=x", false},
		{"partitions=/var", true}, {"partitions=/^.v/", true}, {"partitions=/home", false}, {"partitions./.size>4", true},
		{"os=family", true}, {"os.family=Debian", true}, {"os.release.full>12.9", true}, {"OS.family=Debian", true},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			if got, err := match(t, web1(), Flags{Fact: []string{tt.fact}}); got != tt.want || err != nil {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// A missing fact never matches, whatever the operator; null is missing too.
func TestMissingFact(t *testing.T) {
	for _, name := range []string{"gone", "os.gone", "os.family.gone", "nothing", "partitions./var"} {
		for _, rest := range []string{"=x", "!=x", "<1", ">1", "<=1", ">=1", "=/x/", "!=/x/", "=~x", "!~x", "=''", "!=''", "=/.*/"} {
			if got, err := match(t, web1(), Flags{Fact: []string{name + rest}}); got || err != nil {
				t.Errorf("-F %s%s: got %v, %v", name, rest, got, err)
			}
		}
	}
}

func TestMatchSelect(t *testing.T) {
	tests := []struct {
		sel  string
		want bool
	}{
		{"apache", true}, {"mysql", false}, {"/role/", true}, {"/^web/", false}, {"role::web", true}, {"base/ssh", true},
		{"not mysql", true}, {"!mysql", true}, {"! mysql", true}, {"!!apache", true}, {"not not apache", true}, {"not(mysql)", true}, {"!(apache)", false},
		{"apache and mysql", false}, {"apache or mysql", true}, {"apache and not mysql", true}, {"apache and!mysql", true},
		// not > and > or
		{"apache or mysql and mysql", true}, {"mysql and mysql or apache", true}, {"(apache or mysql) and mysql", false},
		{"not mysql or apache", true}, {"not (mysql or apache)", false}, {"not mysql and apache", true}, {"not apache or apache", true},
		{"not apache and mysql", false}, {"apache or not apache and mysql", true},
		{"(apache)", true}, {"((apache))and(not(mysql))", true}, {"\n apache\tand\r\n role::web ", true},

		{"hagroup=c", true}, {"hagroup = c", true}, {"hagroup = c and apache", true}, {"hagroup=c and(apache)", true}, {"(hagroup=c)", true},
		{"hagroup!=a", true}, // trap: there != never matches in -S
		{"hagroup!=c", false}, {"hagroup!=/c/", false}, {"hagroup!~/d/ and apache", true}, {"hagroup=~^c$ and apache", true},
		{"processors>9.5", true}, {"processors<=9.5 or processors=10", true}, {"os.release.major=12", true},
		{"motd='hello, (big) world' and apache", true}, {`motd="hello, (big) world"`, true}, {"motd=/(big) w|\\(big\\) w/", true},
		{`mount=/^\/var\/$/`, true}, {"mount='/var/'", true}, {`quoted='it\'s'`, true}, {"note='and'", true}, {"pairs=k=v", true},

		{"fact('os.family').value=Debian", true}, {`fact("os.family").value=/^Deb/ and apache`, true}, {"fact('my fact').value=spaced", true},
		{"fact('processors').value>9.5", true}, // trap: there fact() is always text
		{"fact('processors').value<9.5", false}, {"fact('gone').value!=x", false}, {"not fact('gone').value=x", true},
		{"agent('service').present=true", true}, {"agent('puppet').present=true", false}, {"agent('puppet').present=false", true},
		{"not agent('puppet').present=true", true}, {"agent( 'service' ).present != false", true},

		{"fstat('/etc/hosts').md5=/^d4/", true}, {"fstat('/etc/hosts').md5=/^e/", false}, {"fstat('/etc/hosts').size>100", true},
		{"fstat('/etc/hosts').present=true and not service('nginx').status=stopped", true}, {"service('nginx').status=running", true},
		{"service('nginx').pid >= 812", true},

		// a missing fact is false, and logic above it is plain
		{"gone=x", false}, {"gone!=x", false}, {"not gone=x", true}, {"not gone!=x", true}, {"not (gone=x or mysql)", true},
		// an output that is null is like a missing fact
		{"fstat('/etc/hosts').target=x", false}, {"fstat('/etc/hosts').target!=x", false}, {"not fstat('/etc/hosts').target=x", true},
		// none of a list's elements
		{"not interfaces=eth0", false}, {"not interfaces=eth7", true},
	}
	for _, tt := range tests {
		t.Run(tt.sel, func(t *testing.T) {
			if got, err := match(t, web1(), Flags{Select: []string{tt.sel}}); got != tt.want || err != nil {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// What cannot be asked cannot be denied: the host does not match, under not neither.
func TestUnansweredDataFunction(t *testing.T) {
	for _, sel := range []string{
		"resource('Service[apache]').managed=true",
		"not resource('Service[apache]').managed=true",
		"!(resource('x').managed=true)",
		"not not resource('x').managed!=true",
		"resource('x').managed=true or apache",
		"apache or resource('x').managed=true", // also where it would not have to run
		"apache or (mysql and resource('x').managed=true)",
		"service('broken').status=running",
		"not service('broken').status=running",
		"service('broken').status=running or apache",
		"not (apache and service('broken').status!=running)",
		"service('nginx').statuss!=running",
		"not service('nginx').statuss=running", // a slip must not select everyone
	} {
		if got, err := match(t, web1(), Flags{Select: []string{sel}}); got || err == nil {
			t.Errorf("-S %q: got %v, %v; want false and why", sel, got, err)
		}
	}
	// but where the rest decides already, that it failed is not even noticed
	for sel, want := range map[string]bool{"apache or service('broken').status=x": true, "mysql and service('broken').status=x": false} {
		if got, err := match(t, web1(), Flags{Select: []string{sel}}); got != want || err != nil {
			t.Errorf("-S %q: got %v, %v; want %v", sel, got, err, want)
		}
	}
	// and the other options come first
	if got, err := match(t, web1(), Flags{Class: []string{"mysql"}, Select: []string{"resource('x').managed=true"}}); got || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestDataFunctionsRunOnlyWhenNeededAndOnce(t *testing.T) {
	for sel, want := range map[string]int{
		"apache or service('nginx').status=running":                              0,
		"mysql and service('nginx').status=running":                              0,
		"not apache and service('nginx').status=running":                         0,
		"service('nginx').status=running and service('nginx').pid>1":             1,
		"service('broken').status=running and service('nginx').pid>1":            1,
		"service('nginx').status=stopped or not service('nginx').status=running": 1,
	} {
		h := web1()
		match(t, h, Flags{Select: []string{sel}})
		if h.ran["service"] != want {
			t.Errorf("-S %q ran it %d times, want %d", sel, h.ran["service"], want)
		}
	}
	h := web1()
	if match(t, h, Flags{Identity: []string{"db1"}, Select: []string{"service('nginx').status=running"}}); h.ran != nil {
		t.Errorf("ran %v on a host of another name", h.ran)
	}
}

func TestMatchEndsWithContext(t *testing.T) {
	m, err := Compile(Filter{Selects: []string{"service('nginx').status=running"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h := web1()
	if got, err := m.Match(ctx, h); got || !errors.Is(err, context.Canceled) || h.ran != nil {
		t.Errorf("got %v, %v, ran %v", got, err, h.ran)
	}
}

func BenchmarkMatchTwoFacts(b *testing.B) {
	m, err := Compile(Filter{Facts: []string{"operatingsystem=Debian", "operatingsystemrelease>=12.9"}})
	if err != nil {
		b.Fatal(err)
	}
	h := web1()
	for b.Loop() {
		if ok, err := m.Match(context.Background(), h); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkCompileTwoFacts(b *testing.B) {
	f := Filter{Facts: []string{"operatingsystem=Debian", "operatingsystemrelease>=12.9"}}
	for b.Loop() {
		if _, err := Compile(f); err != nil {
			b.Fatal(err)
		}
	}
}
