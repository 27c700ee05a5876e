package filter

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

func TestBuild(t *testing.T) {
	got, err := Build(Flags{
		Identity: []string{" web[1-2] ", "web[1-2]"},
		With:     []string{"apache os.family=Debian\n/role/", "apache"},
		Fact:     []string{" hagroup = c ", "os.family=Debian"},
		Class:    []string{"mysql"},
		Agent:    []string{"service"},
		Select:   []string{" a or b "},
	})
	want := Filter{
		Identities: []string{"web[1-2]"},
		Facts:      []string{"os.family=Debian", "hagroup = c"},
		Classes:    []string{"apache", "/role/", "mysql"},
		Agents:     []string{"service"},
		Selects:    []string{"a or b"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
	if got.IsZero() || !(Filter{}).IsZero() || !(Filter{Facts: []string{}}).IsZero() {
		t.Error("IsZero is wrong")
	}
	const line = "-I 'web[1-2]' -F os.family=Debian -F 'hagroup = c' -C apache -C /role/ -C mysql -A service -S 'a or b'"
	if got.String() != line {
		t.Errorf("String() = %s\nwant       %s", got, line)
	}
}

// Nothing typed wrongly may become "every host"; the message names the option and says what was meant.
func TestBuildRefuses(t *testing.T) {
	long := strings.Repeat("x", maxExpression+1)
	tests := []struct {
		flags Flags
		err   string
	}{
		{Flags{Identity: []string{""}}, `-I "": is empty; an empty filter does not mean every host`},
		{Flags{With: []string{""}}, `-W "": is empty`},
		{Flags{With: []string{" \t\n"}}, `is empty`},
		{Flags{Fact: []string{" "}}, `-F "": is empty`},
		{Flags{Class: []string{""}}, `-C "": is empty`},
		{Flags{Agent: []string{""}}, `-A "": is empty`},
		{Flags{Select: []string{"  "}}, `-S "": is empty`},
		{Flags{Identity: []string{"web1", ""}}, `-I "": is empty`},

		{Flags{Identity: []string{"os=Debian"}}, `-I "os=Debian": "os=Debian" is not a host name; a comparison of a fact is for -F, -W and -S`},
		{Flags{Identity: []string{"-F"}}, `"-F" looks like an option, not like a host name`},
		{Flags{Identity: []string{"web1,"}}, `a name is missing beside a comma`},
		{Flags{Identity: []string{"web1 web2"}}, `"web1 web2" has ' ' in it, which no host name has`},
		{Flags{Identity: []string{"/web"}}, `begins with a slash like a regular expression but does not end with one`},
		{Flags{Identity: []string{"/"}}, `does not end with one`},
		{Flags{Identity: []string{"//"}}, `the regular expression is empty and would match everything`},
		{Flags{Identity: []string{"/(/"}}, `/(/ is not a regular expression (RE2 syntax)`},
		{Flags{Identity: []string{"/web(?!1)/"}}, `is not a regular expression (RE2 syntax)`},
		{Flags{Identity: []string{"web[1-"}}, `has a [ without its ]`},
		{Flags{Identity: []string{"web[1-20000]"}}, `stands for more than 10000 hosts`},
		{Flags{Identity: []string{"a[1-9999]", "b[1-9]"}}, `the filter names more than 10000 hosts`},

		{Flags{With: []string{"osfamily = Debian"}}, `-W "osfamily = Debian": "=": there is no fact before the operator; write FACT=VALUE without spaces in -W`},
		{Flags{With: []string{"osfamily="}}, `-W "osfamily=": there is no value after the operator`},
		{Flags{With: []string{"apache osfamily="}}, `-W "apache osfamily=": "osfamily=": there is no value after the operator`},
		{Flags{With: []string{"=Debian"}}, `there is no fact before the operator`},
		{Flags{With: []string{"!apache"}}, `"!apache": only -S can negate; write -S 'not apache'`},
		{Flags{With: []string{"apache and mysql"}}, `"and" is a word of -S`},
		{Flags{With: []string{"os=/a b/"}}, `"b/" ends like a regular expression but does not begin like one`},
		{Flags{With: []string{"motd='a b'"}}, `the quote ' is not closed`},
		{Flags{With: []string{"apache -y"}}, `"-y" looks like an option`},
		{Flags{With: []string{"web*"}}, `"web*": globs are for host names (-I); write /web.*/`},
		{Flags{With: []string{"a,b"}}, `"a,b" has ',' in it`},

		{Flags{Fact: []string{"Debian"}}, `-F "Debian": there is no operator; write FACT=VALUE, such as operatingsystem=Debian`},
		{Flags{Fact: []string{"os family=Debian"}}, `"os family" has ' ' in it, which the name of a fact cannot have; -S can ask fact('...').value`},
		{Flags{Fact: []string{"a=b", "os="}}, `-F "os=": there is no value`},
		{Flags{Fact: []string{"os=!Debian"}}, `the value begins with !; write FACT!=VALUE`},
		{Flags{Fact: []string{"os===Debian"}}, `the value begins like an operator`},
		{Flags{Fact: []string{"os<>Debian"}}, `the value begins like an operator`},
		{Flags{Fact: []string{"os~=Debian"}}, `"os~" has '~' in it`},
		{Flags{Fact: []string{"os!Debian"}}, `the ! is neither != nor !~`},
		{Flags{Fact: []string{"os<=/x/"}}, `< and > cannot compare with a regular expression; put quotes around '/x/' if it is text`},
		{Flags{Fact: []string{"os=~/x"}}, `the regular expression "/x" does not end with a slash`},
		{Flags{Fact: []string{"os=//"}}, `the regular expression is empty`},
		{Flags{Fact: []string{"os=~''"}}, `the regular expression is empty`},
		{Flags{Fact: []string{"os=/(/"}}, `is not a regular expression`},
		{Flags{Fact: []string{"os='Debian"}}, `the quote ' is not closed`},
		{Flags{Fact: []string{"os='Debian' x"}}, `" x" follows the closing quote`},
		{Flags{Fact: []string{"/os/=x"}}, `"/os/" is not the name of a fact`},
		{Flags{Fact: []string{"--all=x"}}, `"--all" is not the name of a fact`},
		{Flags{Fact: []string{"os=a\x00b"}}, `has a character that cannot be printed (U+0000)`},
		{Flags{Fact: []string{"os=\x1b[2J"}}, `has a character that cannot be printed (U+001B)`},
		{Flags{Fact: []string{"os=\xff"}}, `is not valid UTF-8`},
		{Flags{Fact: []string{"os=" + long}}, `is 4100 bytes long, at most 4096 are allowed`},
		{Flags{Fact: []string{strings.Repeat("o", maxFactName+1) + "=x"}}, `the fact's name is 513 bytes long`},
		{Flags{Fact: []string{"os=/" + strings.Repeat("x", maxRegexp+1) + "/"}}, `the regular expression is 1025 bytes long`},
		{Flags{Fact: []string{"os=/(abcdef){1000}/"}}, `is too complex: it repeats too much`},
		{Flags{Fact: []string{`os=/(\pL{30}){30}/`}}, `is too complex`},

		{Flags{Class: []string{"apache mysql"}}, `"apache mysql" has ' ' in it, which no name has`},
		{Flags{Class: []string{"a&&b"}}, `write the words and, or in -S`},
		{Flags{Class: []string{"/a"}}, `begins with a slash like a regular expression`},
		{Flags{Agent: []string{"os=x"}}, `-A "os=x": "os=x" looks like a comparison of a fact`},
		{Flags{Agent: []string{"-y"}}, `looks like an option`},
		{Flags{Class: slices.Repeat([]string{"x"}, 2)}, ""},
	}
	for _, tt := range tests {
		f, err := Build(tt.flags)
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%.200q: %v", tt.flags, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%.200q:\n got %v\nwant %s", tt.flags, err, tt.err)
		case tt.err != "" && !f.IsZero():
			t.Errorf("%.200q: a filter beside the error", tt.flags)
		}
	}
}

func TestSelectRefuses(t *testing.T) {
	tests := []struct{ sel, err string }{
		{"apache mysql", `at column 8: the word and or the word or is missing before "mysql"`},
		{"apache && mysql", `at column 8: the word and or the word or is missing before "&& mysql"`},
		{"apache AND mysql", `is missing before "AND mysql"`},
		{"apache and", `at column 11: a class, a comparison such as os=Debian, or a data function is missing at the end`},
		{"and apache", `at column 1: a class, a comparison such as os=Debian, or a data function is missing before "and apache"`},
		{"apache and or mysql", `is missing before "or mysql"`},
		{"not", `is missing at the end`}, {"!", `is missing at the end`}, {"()", `is missing before ")"`}, {"or(a)", `is missing before "or(a)"`},
		{"(apache", `at column 8: a parenthesis is not closed`},
		{"apache)", `at column 7: a parenthesis closes that was not opened`},
		{"(apache mysql)", `at column 9: the word and or the word or is missing before "mysql)"`},
		{"a !b", `is missing before "!b"`},
		{"é and", "at column 6"},
		{"os=", `at column 4: there is no value after the operator`},
		{"=Debian", `at column 1: a class, a comparison such as os=Debian, or a data function is missing before "=Debian"`},
		{"os= and apache", `at column 5: expected a value, found "and"`},
		{"os=!x", `the value begins with !`},
		{"not=x", `"not" is a word of -S and not the name of a fact`},
		{"os=it's", `a value that has spaces, quotes or parentheses in it must be in quotes`},
		{"os=f(x)", `must be in quotes`},
		{"os='Debian", `the quote ' is not closed`},
		{"os='Debian'x", `there is text right after the closing quote`},
		{"os=/Debian", `the regular expression does not end with a slash; put quotes around a path`},
		{"path=/usr/bin/java", `a regular expression ends at its second slash; write \/ inside one, and quotes around a path`},
		{"os=//", `the regular expression is empty`},
		{"os=/(/", `is not a regular expression`},
		{"os</x/", `cannot compare with a regular expression`},
		{"/web", `the regular expression does not end with a slash`},
		{"'web'", `is missing before "'web'"`},
		{"web*", `globs are for host names`},
		{"os,x=1", `"os,x" has ',' in it`},
		{"fstat(/etc/hosts).md5=x", `fstat() takes one argument in quotes: fstat('...')`},
		{"fstat('a', 'b').md5=x", `fstat() takes one argument in quotes`},
		{"fstat('/etc/hosts'", `fstat() takes one argument in quotes`},
		{"fstat('/etc/hosts)", `the quote ' is not closed`},
		{"fstat('/etc/hosts')", `fstat('...') needs an output and a comparison`},
		{"fstat('/etc/hosts').=x", `"" is not the name of an output`},
		{"fstat('/etc/hosts').md5", `fstat('...').md5 must be compared with something, such as =true`},
		{"fstat('/etc/hosts').md5 and apache", `must be compared with something`},
		{"f-stat('x').y=z", `"f-stat" is not the name of a data function`},
		{"fact('os').valeu=x", `fact('...') has the output value and no other, not valeu`},
		{"fact('').value=x", `fact('...') needs a name in the quotes`},
		{"agent('service').version=1", `agent('...') has the output present and no other`},
		{strings.Repeat("(", maxDepth+1) + "a" + strings.Repeat(")", maxDepth+1), `nest more than 32 deep`},
		{strings.Repeat("!", maxDepth+1) + "a", `nest more than 32 deep`},
		{strings.Repeat("not ", 1000) + "a", `nest more than 32 deep`},
		{"a" + strings.Repeat(" or a", maxTerms), `more than 256 comparisons`},
		{"f('" + strings.Repeat("x", maxArgument+1) + "').a=b", `longer than 1024 bytes`},
	}
	for _, tt := range tests {
		_, err := Build(Flags{Select: []string{tt.sel}})
		if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), "-S ") {
			t.Errorf("-S %.80q:\n got %v\nwant %s", tt.sel, err, tt.err)
		}
	}
	deep := strings.Repeat("(", maxDepth) + "a" + strings.Repeat(")", maxDepth)
	if _, err := Build(Flags{Select: []string{deep, deep}}); err != nil {
		t.Errorf("nesting of %d: %v", maxDepth, err)
	}
}

// asking are n selects that ask as many data functions.
func asking(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("fstat('/%d').md5=1 or fstat('/%d').size=2", i, i))
	}
	return list
}

// What a whole filter may cost is bounded also when each of its parts is small.
func TestCompileBoundsTheWhole(t *testing.T) {
	for _, tt := range []struct {
		err string
		f   Filter
	}{
		{"more than 256 comparisons", Filter{Classes: slices.Repeat([]string{"x"}, maxTerms+1)}},
		{"more than 256 comparisons", Filter{Identities: []string{"web[1-257]*"}}},
		{"too complex", Filter{Classes: slices.Repeat([]string{"/(abc){700}/"}, 7)}},
		{"is 600000 bytes long", Filter{Identities: slices.Repeat([]string{strings.Repeat("x", 1000)}, 600)}},
		{"repeats an option 10001 times", Filter{Identities: slices.Repeat([]string{"x"}, MaxNames+1)}},
		{"names more than 10000 hosts", Filter{Identities: slices.Repeat([]string{"[1-5000]"}, 3)}},
		{"-S asks 17 data functions; the limit is 16", Filter{Selects: asking(maxQuestions + 1)}},
		{"is empty", Filter{Facts: []string{" "}}},
		{"is empty", Filter{Selects: []string{""}}},
		{"is missing before", Filter{Selects: []string{"a b"}}},
		{"a name is missing", Filter{Identities: []string{"[1-2]", "a,,b"}}},
		{"in brackets stand numbers", Filter{Identities: []string{"web[1-99999999999999999999]"}}},
	} {
		if _, err := Compile(tt.f); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("got %v, want %s", err, tt.err)
		}
	}
	if _, err := Compile(Filter{Classes: slices.Repeat([]string{"/(abc){700}/"}, 5)}); err != nil {
		t.Errorf("five of these are within bounds: %v", err)
	}
	if _, err := Compile(Filter{Selects: asking(maxQuestions)}); err != nil {
		t.Errorf("as many questions as may be: %v", err)
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		flags Flags
		want  []string
		ok    bool
	}{
		{Flags{Identity: []string{"web2", "web1", "web2"}}, []string{"web2", "web1"}, true},
		{Flags{Identity: []string{"web[09-11]", "db1,db2"}}, []string{"web09", "web10", "web11", "db1", "db2"}, true},
		{Flags{Identity: []string{"web1", "db*"}}, nil, false},
		{Flags{Identity: []string{"web1", "/db/"}}, nil, false},
		{Flags{Identity: []string{"web1"}, Fact: []string{"a=b"}}, nil, false},
		{Flags{Identity: []string{"web1"}, Select: []string{"a"}}, nil, false},
		{Flags{Class: []string{"a"}}, nil, false},
		{Flags{}, nil, false},
	}
	for _, tt := range tests {
		f, err := Build(tt.flags)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := f.Names(); ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v", f, got, ok)
		}
	}
}

// The filter is inside the signed job: what is decoded is what was encoded, and the same filter has the same bytes.
func TestCBOR(t *testing.T) {
	for _, f := range []Filter{{}, {Facts: []string{"a=b", "c>1"}, Selects: []string{"not é='x'"}}, {Identities: []string{"web[1-3]"}, Classes: []string{"a"}, Agents: []string{"b"}}} {
		data, err := cbor.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back Filter
		if err := cbor.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(f, back) {
			t.Errorf("%+v came back as %+v, %v", f, back, err)
		}
		if again, _ := cbor.Marshal(back); string(again) != string(data) {
			t.Errorf("%+v has two encodings", f)
		}
	}
	if data, _ := cbor.Marshal(Filter{Facts: []string{"a=b"}}); string(data) != "\xa1\x02\x81\x63a=b" {
		t.Errorf("the wire form has changed: %x", data)
	}
}
