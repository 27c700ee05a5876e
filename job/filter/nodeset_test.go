package filter

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestExpandNodes(t *testing.T) {
	tests := []struct {
		set, want string // want: names, or the error behind a !
	}{
		{"web1", "web1"},
		{"web[1-3]", "web1 web2 web3"},
		{"web[1-3,12]", "web1 web2 web3 web12"},
		{"web[7]", "web7"},
		{"web[ 1 , 3 ]", "web1 web3"},
		{"web[3,1,3]", "web3 web1"},
		{"web[08-11].example.com", "web08.example.com web09.example.com web10.example.com web11.example.com"},
		{"web[098-101]", "web098 web099 web100 web101"},
		{"web[0-2]", "web0 web1 web2"},
		{"web[00-02]", "web00 web01 web02"},
		{"web[09-100]", "web09 " + strings.Join(numbers("web", 10, 100), " ")},
		{"r[1-2]-web[01-02]", "r1-web01 r1-web02 r2-web01 r2-web02"},
		{"[1-2][1-2]", "11 12 21 22"},
		{"web1,db[1-2], mail", "web1 db1 db2 mail"},
		{"a,b[1-2],b2,a", "a b1 b2"},
		{"", "!is empty"},
		{",", "!a name is missing beside a comma"},
		{"web[1-3", "!has a [ without its ]"},
		{"web1-3]", "!has a ] without its ["},
		{"web[[1]]", "!has a bracket within brackets"},
		{"web[]", "!in brackets stand numbers"},
		{"web[1,]", "!in brackets stand numbers"},
		{"web[a-c]", "!in brackets stand numbers"},
		{"web[1-2-3]", "!in brackets stand numbers"},
		{"web[-1]", "!in brackets stand numbers"},
		{"web[1-]", "!in brackets stand numbers"},
		{"web[1..3]", "!in brackets stand numbers"},
		{"web[9-1]", "!runs backwards"},
		{"web[01-9]", "!same number of digits"},
		{"web[1-09]", "!same number of digits"},
		{"web[001-02]", "!same number of digits"},
		{"web[1-9]*", "!has '*' in it"},
		{"web[1-9] db", "!has ' ' in it"},
		{"-[1-2]", "!looks like an option"},
		{"web[0-999999999999999]", "!stands for more than 10000 hosts"},
		{"web[0-9999999999999999]", "!in brackets stand numbers"},
		{"[0-99][0-99][0-99]", "!stands for more than 10000 hosts"},
		{"[0-99][0-99]", strings.Join(pairs(), " ")},
		{"a[1-5001],b[1-5000]", "!stands for more than 10000 hosts"},
		{strings.Repeat("[1-5000],", 10000) + "x", "!stands for more than 10000 hosts"},
		{"[1-9999]" + strings.Repeat("[1]", 8), "!more than 8 pairs of brackets"},
		{strings.Repeat("[0-99]", 100), "!stands for more than 10000 hosts"},
		{strings.Repeat("x", 254), "!at most 253 bytes"},
		{strings.Repeat("x", 100000) + "[1-10000]", "!at most 253 bytes"},
		{"[1-10000]" + strings.Repeat("x", 100000), "!at most 253 bytes"},
	}
	for _, tt := range tests {
		got, err := ExpandNodes(tt.set)
		if want, isError := strings.CutPrefix(tt.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.80s: got %v, want %s", tt.set, err, want)
			}
		} else if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %.200q, %v", tt.set, got, err)
		}
	}
}

func numbers(prefix string, from, to int) (names []string) {
	for i := from; i <= to; i++ {
		names = append(names, prefix+strconv.Itoa(i))
	}
	return names
}

func pairs() (names []string) {
	for i := range 100 {
		names = append(names, numbers(strconv.Itoa(i), 0, 99)...)
	}
	return slices.Compact(dedupe(names))
}

func dedupe(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(s string) bool { old := seen[s]; seen[s] = true; return old })
}

func TestFoldNodes(t *testing.T) {
	tests := []struct{ names, want string }{
		{"", ""},
		{"web1", "web1"},
		{"web2 web1 web3 web1", "web[1-3]"},
		{"web1 web2 web4 db", "db,web[1-2,4]"},
		{"web9 web10 web11", "web[9-11]"},
		{"web09 web10 web11", "web[09-11]"},
		{"web1 web01 web2 web02", "web[1-2,01-02]"},
		{"web1.example.com web2.example.com web1", "web1,web[1-2].example.com"},
		{"web1.dc1 web1.dc2", "web1.dc1,web1.dc2"},
		{"mail.dc1 mail.dc2", "mail.dc[1-2]"},
		{"r1-web1 r1-web2 r2-web1", "r1-web[1-2],r2-web1"},
		{"ip-10-0-1-5 ip-10-0-1-6", "ip-10-0-1-[5-6]"},
		{"i-0a1b2c3d i-0a1b2c4d", "i-0a1b2c[3-4]d"},
		{"x1234567890123456 x1234567890123457", "x1234567890123456,x1234567890123457"},
		{"9 10", "[9-10]"},
		{"a b", "a,b"},
		{"web web1 web2", "web,web[1-2]"},
	}
	for _, tt := range tests {
		names := strings.Fields(tt.names)
		before := slices.Clone(names)
		if got := FoldNodes(names); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.names, got, tt.want)
		}
		if !slices.Equal(names, before) {
			t.Errorf("%s: the caller's slice has changed", tt.names)
		}
	}
}

// Folded and expanded again are the same hosts.
func TestFoldAndExpandRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var names []string
		for range 1 + rnd.IntN(60) {
			n := rnd.IntN(30)
			names = append(names, []string{
				"web" + strconv.Itoa(n), "web" + pad(int64(n), 2), "web" + pad(int64(n), 3) + ".example.com", "db" + strconv.Itoa(n) + "-b",
				"r" + strconv.Itoa(n%3) + "w" + strconv.Itoa(n), strconv.Itoa(n), "host.dc" + strconv.Itoa(n), "plain",
				"x" + strconv.Itoa(n+999_999_999_999_980),
			}[rnd.IntN(9)])
		}
		checkRoundTrip(t, names)
	}
}

func checkRoundTrip(t *testing.T, names []string) {
	t.Helper()
	folded := FoldNodes(names)
	back, err := ExpandNodes(folded)
	want := slices.Compact(slices.Sorted(slices.Values(names)))
	slices.Sort(back)
	if err != nil || !slices.Equal(back, want) {
		t.Fatalf("%.2000q folds to %.2000s, which is %.2000q, %v", want, folded, back, err)
	}
}

func FuzzExpandNodes(f *testing.F) {
	for _, s := range []string{"web[1-3]", "r[1-2]-w[01-20].x", "a,b[1,3-4]", "[0-99][0-99]", "web[9-1]", "[[", "x[1-09]", "a[00000-9]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, set string) {
		names, err := ExpandNodes(set)
		if err != nil {
			return
		}
		if len(names) == 0 || len(names) > MaxNames {
			t.Fatalf("%d names", len(names))
		}
		checkRoundTrip(t, names)
	})
}
