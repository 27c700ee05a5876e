package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever another fleet has left in the home directory, nothing of it is overwritten and nothing is created beside it.
func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{rootKeyFile, keyFile, rootFile, rosterFile, brokersFile, tokenFile} {
		t.Run(name, func(t *testing.T) {
			home, data := filepath.Join(t.TempDir(), "home"), filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(home, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(home, name)
			if err := os.WriteFile(file, []byte("another fleet's"), 0o600); err != nil {
				t.Fatal(err)
			}
			f := founding{fleet: "acme", admin: "ann", home: home, place: place{data: data, name: "web1"}, life: time.Hour, now: time.Now()}
			if _, err := f.run(); err == nil || !strings.Contains(err.Error(), "already belongs to a fleet: it contains "+name) {
				t.Errorf("%v", err)
			}
			if left, err := os.ReadFile(file); err != nil || string(left) != "another fleet's" {
				t.Errorf("%q, %v", left, err)
			}
			if entries, err := os.ReadDir(home); err != nil || len(entries) != 1 {
				t.Errorf("%v, %v", entries, err)
			}
			if _, err := os.Stat(data); !os.IsNotExist(err) {
				t.Errorf("a data directory was made: %v", err)
			}
		})
	}
}
