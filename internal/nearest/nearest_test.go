package nearest

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	units := []string{"nginx", "nginx-debug", "ssh", "sshd", "cron", "postgresql", "postgresql@15-main", "a", "nginx"}
	tests := []struct {
		word string
		want []string
	}{
		{"ngnix", []string{"nginx"}},
		{"ngin", []string{"nginx", "nginx-debug"}},
		{"NGINX", []string{"nginx", "nginx-debug"}},
		{"postgres", []string{"postgresql", "postgresql@15-main"}},
		{"sssh", []string{"ssh"}},
		{"crond", []string{"cron"}},
		{"mysql", nil},
		{"", nil},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			if got := Names(tt.word, units, 3); !slices.Equal(got, tt.want) {
				t.Errorf("Names(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}

func TestMisspelt(t *testing.T) {
	names := []string{"nginx", "nginx-core", "nano", "openssl", "openssh-server", "ng"}
	for want, found := range map[string]string{"ngnix": "nginx", "nginx2": "nginx", "opensssl": "openssl", "zzz": "", "postgresql": "", "n": "ng"} {
		if got := Misspelt(want, names); got != found {
			t.Errorf("Misspelt(%q) = %q, want %q", want, got, found)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"nginx", "ngnix", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "abc", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want || distance(tt.b, tt.a) != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d both ways", tt.a, tt.b, got, tt.want)
		}
	}
}
