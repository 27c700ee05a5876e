package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/plugins"
)

// onHost runs a command line as somebody on a host, who has no home.
func onHost(t *testing.T, args ...string) (code int, errs string) {
	t.Helper()
	var out, e bytes.Buffer
	code = run(t.Context(), &env{
		stdin: strings.NewReader(""), stdout: &out, stderr: &e, getenv: homeless,
		declarations: plugins.BuiltinDeclarations(), connect: connect, seed: func() int64 { return 7 }, planID: func() string { return planID }, patience: time.Minute,
	}, append([]string{"fleet"}, args...))
	return code, e.String()
}

// The root of one key becomes two of three, with a rehearsal; then all of them are lost, and the hosts are told of another one.
func TestReplaceTheRoot(t *testing.T) {
	f, _ := fleettest.Up(t, 3)
	home, other := homeOfFleet(t, f), homeOfFleet(t, f)
	do := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := typed(t, home, args...)
		if code != want {
			t.Fatalf("%v: %d\n%s%s", args, code, out, errs)
		}
		return out + errs
	}
	allow := func(name string) []string { return []string{"role", "allow", name, "--action", "service.status"} }
	do(0, allow("before")...)
	expect(t, do(0, "root", "replace", "2of3", "--rehearse"), "what the new root would follow (root version 1) is in force on all 3 hosts")
	if exists(filepath.Join(home, "root-2.key")) {
		t.Fatal("the rehearsal made keys")
	}
	expect(t, do(2, "root", "replace", "2of3"), "to confirm, add --yes")
	expect(t, do(0, "root", "replace", "2of3", "--yes"), "root-2.key", "root-3.key", "root-4.key", "root version 2 is in force on all 3 hosts")
	expect(t, do(0, "role", "list"), "before")
	do(0, allow("after")...)

	// The old key alone signs nothing, nor does one of the new ones.
	if err := os.Remove(filepath.Join(home, "root-2.key")); err != nil {
		t.Fatal(err)
	}
	do(0, allow("two-of-three")...) // with the other two
	if err := os.Remove(filepath.Join(home, "root-3.key")); err != nil {
		t.Fatal(err)
	}
	expect(t, do(2, allow("one-of-three")...), "more root keys must sign: 1 of 2 have")
	expect(t, do(1, "root", "replace", "1of1", "--yes"), "1 more of the root keys so far must sign")

	// All keys are lost.
	for _, name := range rootKeyFiles() {
		os.Remove(filepath.Join(home, name))
	}
	expect(t, do(1, allow("none")...), "needs the root key")
	file := filepath.Join(t.TempDir(), "new-root")
	expect(t, do(0, "root", "replace", "1of1", "--lost", file, "--yes"), "no host goes by root version 3 yet", "fleet node adopt-root new-root")
	expect(t, do(7, "status"), "fleet node adopt-root")
	for _, h := range f.Hosts() {
		if code, errs := onHost(t, "node", "adopt-root", file, "--data", h.Dir); code != 1 {
			t.Errorf("beside the running agent: %d %s", code, errs)
		}
		h.Stop()
		if code, errs := onHost(t, "node", "adopt-root", file, "--data", h.Dir); code != 0 {
			t.Fatal(errs)
		}
		h.Start()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, f.Root.Authority, err = identity.ParseAdoption(string(text)); err != nil {
		t.Fatal(err)
	}
	f.Await(f.Client(), 3)
	for { // the brokers have been up for no more than a moment
		code, out, _ := typed(t, home, "status")
		if code == 0 {
			break
		}
		if t.Context().Err() != nil || !strings.Contains(out, "no route between the brokers") {
			t.Fatal(out)
		}
	}
	expect(t, do(0, allow("found-again")...), "is in force on all 3 hosts")
	expect(t, do(0, "role", "list"), "before", "two-of-three", "found-again")

	// Another admin's home has not heard of it, and accepts a line from who has.
	line := identity.Introduction{Root: f.Root.Anchor(), Fleet: "test", Brokers: []string{f.Broker()}}.Text()
	if code, _, errs := typed(t, other, "role", "list"); code != 1 {
		t.Errorf("a home that pins the lost root: %d %s", code, errs)
	}
	if code, _, errs := typed(t, other, "admin", "accept", line); code != 0 {
		t.Error(errs)
	}
	if code, out, errs := typed(t, other, "role", "list"); code != 0 || !strings.Contains(out, "found-again") {
		t.Errorf("after it: %d %s%s", code, out, errs)
	}
	for name, harm := range map[string]func() error{
		"the file":   func() error { return os.Chmod(file, 0o666) },
		"its folder": func() error { return errors.Join(os.Chmod(file, 0o644), os.Chmod(filepath.Dir(file), 0o777)) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if code, errs := onHost(t, "node", "adopt-root", file, "--data", f.First().Dir); code != 2 || !strings.Contains(errs, "others could have written") {
			t.Errorf("others can write %s: %d %s", name, code, errs)
		}
		if err := errors.Join(os.Chmod(file, 0o644), os.Chmod(filepath.Dir(file), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if code, errs := onHost(t, "node", "adopt-root", file+"-none", "--data", f.First().Dir); code != 2 {
		t.Errorf("a file that is not there: %d %s", code, errs)
	}
	if code, errs := onHost(t, "node", "adopt-root", file, "--data", filepath.Join(t.TempDir(), "none")); code != 1 {
		t.Errorf("on a host of no fleet: %d %s", code, errs)
	}
	foreign := identity.Adoption{Anchor: f.Root.Anchor(), Records: f.Root.Raw()}
	foreign.Anchor.First[0] ^= 1
	if err := os.WriteFile(file, []byte(foreign.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, errs := onHost(t, "node", "adopt-root", file, "--data", f.First().Dir); code != 2 {
		t.Errorf("another fleet's: %d %s", code, errs)
	}
}
