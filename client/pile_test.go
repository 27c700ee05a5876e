package client

import (
	"bytes"
	"testing"

	"fleet/job"
)

// Answers come out of the pile as they went in, from memory and from the file, and memory that is given back is used again.
func TestPile(t *testing.T) {
	p := newPile()
	p.sealedBytes, p.decodedBytes, p.dir = 100, 10, t.TempDir()
	answer := func(n byte, size int) []byte { return bytes.Repeat([]byte{n}, size) }
	var all []sealed
	for i := range byte(20) {
		s, ok := p.put("host", answer(i, 30))
		if !ok {
			t.Fatalf("answer %d found no room", i)
		}
		all = append(all, s)
	}
	for i, s := range all {
		raw, err := p.get(s)
		if err != nil || !bytes.Equal(raw, answer(byte(i), 30)) {
			t.Errorf("answer %d: %v, %v", i, raw, err)
		}
		if inMemory := s.raw != nil; inMemory != (i < 3) {
			t.Errorf("answer %d in memory: %v", i, inMemory)
		}
	}
	if p.sealed != 90 || p.end != 17*30 {
		t.Errorf("%d bytes in memory, %d in the file", p.sealed, p.end)
	}
	p.drop(all[0])
	if s, ok := p.put("host", answer(1, 30)); !ok || s.raw == nil {
		t.Error("memory that was given back is not used")
	}
}

// A host that sends more and more fills neither the memory nor the disk.
func TestOneHostCannotFillTheFile(t *testing.T) {
	p := newPile()
	p.sealedBytes, p.dir = 1, t.TempDir()
	taken := 0
	for range 100 {
		if _, ok := p.put("liar", make([]byte, job.MaxReply)); ok {
			taken++
		}
	}
	if taken != 2 || p.sealed != 0 {
		t.Errorf("%d of its answers were taken, %d bytes are in memory", taken, p.sealed)
	}
	if _, ok := p.put("other", make([]byte, job.MaxReply)); !ok {
		t.Error("another host found no room")
	}
}

// Without a file there is room for what waits, and for no more.
func TestPileWithoutAFile(t *testing.T) {
	p := newPile()
	p.sealedBytes, p.decodedBytes, p.dir = 100, 0, t.TempDir()+"/not-there"
	var all []sealed
	for {
		s, ok := p.put("host", make([]byte, 30))
		if !ok {
			break
		}
		all = append(all, s)
	}
	if len(all) != 6 || p.sealed != 180 {
		t.Fatalf("%d answers were taken, %d bytes", len(all), p.sealed)
	}
	kept := 0
	for _, s := range all {
		if _, err := p.keep(s); err == nil {
			kept++
		} else {
			p.drop(s)
		}
	}
	if kept != 3 || p.sealed != 90 {
		t.Errorf("%d answers were kept, %d bytes", kept, p.sealed)
	}
}
