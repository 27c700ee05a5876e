package proc

import (
	"os"
	"testing"
)

func TestOfThisProcess(t *testing.T) {
	rss, err := Memory(os.Getpid(), "VmRSS")
	own, err2 := Memory(os.Getpid(), "RssAnon")
	if err != nil || err2 != nil || own <= 0 || own >= rss {
		t.Errorf("%d of %d bytes are its own: %v, %v", own, rss, err, err2)
	}
	before, err := CPU(os.Getpid())
	for used := before; err == nil && used == before; used, err = CPU(os.Getpid()) { // work until a tick has passed
	}
	if err != nil {
		t.Error(err)
	}
	faults, err := Faults(os.Getpid())
	touched := make([]byte, 8<<20)
	for i := 0; i < len(touched); i += os.Getpagesize() {
		touched[i] = 1
	}
	if more, err2 := Faults(os.Getpid()); err != nil || err2 != nil || more <= faults {
		t.Errorf("%d page faults, after touching new memory %d: %v, %v", faults, more, err, err2)
	}
	if _, err := Memory(os.Getpid(), "VmNothing"); err == nil {
		t.Error("a field that there is not")
	}
	if _, err := CPU(1 << 30); err == nil {
		t.Error("a process that there is not")
	}
}
