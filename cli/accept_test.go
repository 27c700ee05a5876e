package cli

import (
	"os"
	"path/filepath"
	"testing"

	"fleet/identity"
	"fleet/internal/identitytest"
)

// Without root.pub nothing says whose the other files are: none is overwritten, and no root is pinned beside them.
func TestAcceptOverwritesNothing(t *testing.T) {
	line := identity.Introduction{Root: identitytest.Root().Anchor(), Fleet: "acme", Brokers: []string{"10.0.0.5:7421"}}.Text()
	for _, name := range []string{rootKeyFile, rosterFile, brokersFile, tokenFile} {
		bob := person{t: t, home: t.TempDir()}
		file := filepath.Join(bob.home, name)
		if err := os.WriteFile(file, []byte("10.9.9.9:7421\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, bob.must(2, "admin", "accept", line), "contains "+name+", and no root.pub that says of which fleet")
		if left, err := os.ReadFile(file); err != nil || string(left) != "10.9.9.9:7421\n" {
			t.Errorf("%s: %q, %v", name, left, err)
		}
		if exists(filepath.Join(bob.home, rootFile)) {
			t.Errorf("%s: a root was pinned", name)
		}
	}
}
