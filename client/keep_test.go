package client_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/job"
)

// Large answers, as many as do not fit into what a run keeps in memory: 45 MB as they come.
const largeHosts, largeAnswer = 100, 450_000

// answerLarge asks hosts that answer so much each. When it returns, they are gone.
func answerLarge(t *testing.T) (run client.Run) {
	t.Helper()
	t.Run("run", func(t *testing.T) { run = askLarge(t) })
	return run
}

func askLarge(t *testing.T) client.Run {
	w := newWorld(t)
	for i := range largeHosts {
		w.host(fmt.Sprintf("web%03d", i), func(a asked) {
			a.send(a.sign(job.Reply{Job: a.hash, Kind: job.Result, State: job.OK, Message: "of " + a.name, Data: largeData(a.name)}))
		})
	}
	r := request()
	r.Timeout = 5 * time.Minute // a slow machine takes long to sign, seal and open all of it
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func largeData(name string) map[string]any {
	data := map[string]any{"name": name}
	for i := range largeAnswer / 1000 {
		data[fmt.Sprint("fact", i)] = strings.Repeat("x", 990)
	}
	return data
}

// What a run keeps in memory is bounded, and all that hosts answered is there all the same, each host's when it is looked at.
func TestLargeAnswersAreNotKeptInMemory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	run := answerLarge(t)
	if len(run.Outcomes) != largeHosts {
		t.Fatalf("%d outcomes", len(run.Outcomes))
	}
	for _, o := range run.Outcomes {
		whole, err := o.Whole()
		if err != nil || whole.State != job.OK || whole.LeftOut != "" || whole.Message != "of "+o.Name || len(whole.Data) != largeAnswer/1000+1 || whole.Data["name"] != o.Name {
			t.Errorf("%s: %s %q, %d outputs, left out: %q, %v", o.Name, whole.State, whole.Message, len(whole.Data), whole.LeftOut, err)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("a file has a name: %v, %v", left, err)
	}
	with := heapInUse()
	runtime.KeepAlive(run)
	run = client.Run{}
	held := with - heapInUse()
	t.Logf("%d answers of %d bytes take %d bytes of memory", largeHosts, largeAnswer, held)
	if least, most := int64(10<<20), int64(40<<20); held < least || held > most {
		t.Errorf("that is not between %d and %d", least, most)
	}
}

// Where no file can be written every host still has its end, and those whose outputs found no room are told.
func TestAnswersThatFindNoRoomAreToldAsLeftOut(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/not-there")
	run := answerLarge(t)
	leftOut, kept := 0, 0
	for _, o := range run.Outcomes {
		whole, err := o.Whole()
		if err != nil || o.State != job.OK || o.Message != "of "+o.Name {
			t.Errorf("%s: %s %q, %v", o.Name, o.State, o.Message, err)
		}
		switch {
		case o.LeftOut == "" && len(whole.Data) == largeAnswer/1000+1:
			kept++
		case strings.Contains(o.LeftOut, "no such file or directory") && whole.Data == nil:
			leftOut++
		default:
			t.Errorf("%s: left out: %q, and %d outputs", o.Name, o.LeftOut, len(whole.Data))
		}
	}
	if kept+leftOut != largeHosts || kept < 20 || leftOut < 20 {
		t.Errorf("%d were kept and %d left out, of %d", kept, leftOut, largeHosts)
	}
}

// heapInUse is what is in use after garbage was collected.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
