//go:build lab

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/internal/lab"
)

// A container has this machine's clock, which is not ours to set, and a time namespace moves only the clocks that nobody
// signs with. So the hosts of this test run fleet as it is, built with a time.Now that adds what stands in a file. fleet's
// own source has nothing for it, and no other test uses such a binary.

// stepFile holds by how many seconds a host's clock is off.
const stepFile = "/run/fleet-clock-step"

const stepper = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func readStep() {
	text, _ := os.ReadFile("` + stepFile + `")
	seconds, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	time.StepForTest(seconds)
}

func init() {
	readStep()
	go func() {
		for {
			time.Sleep(20 * time.Millisecond)
			readStep()
		}
	}()
}
`

// steppedBinary builds fleet with a clock that can be stepped.
func steppedBinary(t *testing.T) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const now = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), now) != 1 {
		t.Fatalf("time.Now of this release of Go reads the clock in another way; look at %s", source)
	}
	stepped := strings.Replace(string(text), now, now+"sec += stepForTest.Load()\n", 1)
	stepped = strings.Replace(stepped, "import (\n", "import (\n\"sync/atomic\"\n", 1)
	replace[source] = write("time.go", stepped+"\nvar stepForTest atomic.Int64\nfunc StepForTest(seconds int64) { stepForTest.Store(seconds) }\n")
	replace[filepath.Join(root, "stepper.go")] = write("stepper.go", stepper)
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	return binary(t, "-overlay", write("overlay.json", string(overlay)))
}

// step puts a machine's clock forward, or back, by so much against the true time.
func (s scenario) step(machine string, by time.Duration) {
	s.Helper()
	s.l.Write(machine, stepFile, 0o644, strconv.Itoa(int(by/time.Second))+"\n")
}

// stepped steps a host's clock, sees that it refuses everything, and puts it right again.
func stepped(host func(s scenario, brokers []string) string, by time.Duration) func(scenario, []string) trouble {
	return func(s scenario, brokers []string) trouble {
		h := host(s, brokers)
		s.step(h, by)
		s.both("it refuses, and the others work", 4, func(c call) bool { return c.code == 7 && slices.Equal(c.in("refused"), []string{h}) })
		s.step(h, 0)
		return trouble{clock: map[string][]string{"": {h}}}
	}
}

func TestSteppedClocks(t *testing.T) {
	c := newChaos(t, steppedBinary(t), 3, 2)
	member := func(scenario, []string) string { return "web5" }
	broker := func(_ scenario, brokers []string) string { return brokers[0] }
	c.run(t, "a member's clock is put ten minutes forward and back", stepped(member, 10*time.Minute))
	c.run(t, "a member's clock is put ten minutes back and forward", stepped(member, -10*time.Minute))
	c.run(t, "a member's clock is put a month forward and back", stepped(member, 30*24*time.Hour))
	c.run(t, "a broker's clock is put ten minutes forward and back", stepped(broker, 10*time.Minute))
	c.run(t, "a broker's clock is put ten minutes back and forward", stepped(broker, -10*time.Minute))
	c.run(t, "an admin's clock is put ten minutes forward and back", func(s scenario, _ []string) trouble {
		s.step(s.admins["ann"], 10*time.Minute)
		s.admin["ann"].await(s.T, "all refuse her", 4, func(c call) bool { return c.code == 7 && slices.Equal(c.in("refused"), s.nodes) })
		s.admin["bob"].await(s.T, "all work for him", 4, fine)
		s.step(s.admins["ann"], 0)
		return trouble{clock: map[string][]string{"ann": s.nodes}}
	})
}
