package journal

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// What a change is, and how it ended, is told later, also across a restart and when its result had to go.
func TestWhatIsKnownOfAChange(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	restart := Entry{Signer: "ann", Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx"}, Targets: []string{"a", "b"}, Came: now}
	for _, id := range []string{"01A", "01B", "01C", "01D"} {
		if !m.first(j, signed(id, now)) {
			t.Fatal(id)
		}
	}
	for _, id := range []string{"01A", "01B", "01C"} { // 01D was for others
		if err := j.Start(id, restart); err != nil {
			t.Fatal(err)
		}
	}
	for id, state := range map[string]string{"01A": "ok", "01D": ""} {
		if err := j.EndChange(id, []byte("reply"), state, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	j.EndChange("01B", []byte("another"), "failed", now.Add(time.Second))
	seen := func() (out []string) {
		list, err := j.Changes(9)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			out = append(out, fmt.Sprint(k.ID, k.Running, k.State, k.Signer, len(k.Targets), !k.Ended.IsZero(), k.Result == nil))
		}
		return out
	}
	if got := strings.Join(seen(), "\n"); got != "01Ctrueann2 false true\n01Bfalsefailedann2 true true\n01Afalseokann2 true true" {
		t.Error(got)
	}
	j.Close()
	j = m.open()
	if got := seen()[0]; got != "01Cfalseann2 false true" {
		t.Error(got)
	}
	if list, err := j.Changes(1); err != nil || len(list) != 1 || list[0].ID != "01C" {
		t.Error(list, err)
	}
	k, found, err := j.Change("01A")
	want := restart
	want.Ended, want.State = now.Add(time.Second), "ok"
	if err != nil || !found || string(k.Result) != "reply" || !reflect.DeepEqual(k.Entry, want) {
		t.Errorf("%+v, %v, %v", k, found, err)
	}
	if err := j.store.update(func(c *change) error { return shrink(c.tx, 16+len("reply"+"another")) }); err != nil {
		t.Fatal(err)
	}
	if k, _, _ := j.Change("01A"); k.Result != nil || k.State != "ok" {
		t.Errorf("%+v", k)
	}
	if k, _, _ := j.Change("01B"); string(k.Result) != "another" {
		t.Errorf("%+v", k)
	}
	if c, _ := j.Begin(signed("01A", now), now); c.First || c.Result != nil || c.Entry.State != "ok" {
		t.Errorf("%+v", c)
	}
	if _, found, err := j.Change("01Z"); found || err != nil {
		t.Error(found, err)
	}
}

// What counts for a share of the fleet is in the claim, before anything else is known of the change, and stays until the hour is over.
func TestWhatCountsForAShare(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	for _, id := range []string{"01A", "01B"} {
		one := signed(id, now)
		if id == "01B" {
			one.Alone, one.Targets = &Alone{Key: "ann", Plan: "00ff", Hosts: 40}, []string{"web1", "web2"}
		}
		if !m.first(j, one) {
			t.Fatal("not the first")
		}
	}
	want := Entry{Alone: &Alone{Key: "ann", Plan: "00ff", Hosts: 40}, Targets: []string{"web1", "web2"}, Came: now.UTC()}
	look := func(when string, since time.Time, want ...Entry) {
		t.Helper()
		if got, err := j.Alone(since); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", when, got, err)
		}
	}
	look("claimed", now, want)
	want.Signer, want.Plugin = "ann", "service"
	if err := j.Start("01B", Entry{Signer: "ann", Plugin: "service", Targets: want.Targets, Came: want.Came}); err != nil {
		t.Fatal(err)
	}
	look("started", now, want)
	j.Close()
	j = m.open()
	look("after a restart", now, want)
	look("later", now.Add(time.Second))
}

// A change that is cancelled before it comes is claimed by that, until it cannot come any more.
func TestCancelledBeforeItComes(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	if first, err := j.Cancel("01A", now); err != nil || !first {
		t.Fatal(first, err)
	}
	if first, err := j.Cancel("01A", now); err != nil || first {
		t.Error(first, err)
	}
	if c, err := j.Begin(signed("01A", now), now); err != nil || c.First || !c.Entry.Cancelled {
		t.Errorf("%+v, %v", c, err)
	}
	if list, _ := j.Changes(9); len(list) != 1 || !list[0].Cancelled {
		t.Errorf("%+v", list)
	}
	m.pass(Keep + time.Second)
	if err := j.Forget(); err != nil {
		t.Fatal(err)
	}
	if list, _ := j.Changes(9); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

// A claim whose entry cannot be read is one all the same, and that it cannot be read is said.
func TestADamagedEntry(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	if err := j.store.update(func(c *change) error { return c.put("01B", []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if c, err := j.Begin(signed("01B", now), now); err != nil || c.First {
		t.Errorf("%+v, %v", c, err)
	}
	if _, _, err := j.Change("01B"); err == nil {
		t.Error("damage is not said")
	}
	if _, err := j.Changes(9); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

func FuzzReadRecord(f *testing.F) {
	raw, err := record(Keep, now, Entry{Signer: "ann", Came: now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		until, expires, e, err := readRecord(raw)
		if err != nil {
			return
		}
		again, err := record(until, expires, e)
		if err != nil {
			t.Skip() // a time that JSON cannot write
		}
		if _, _, _, err := readRecord(again); err != nil {
			t.Error(err)
		}
	})
}

// A claim is short whatever the job lists, and yet the hosts that ran it can name those that did not answer.
func TestAClaimIsShort(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	targets := make([]string, 500)
	for i := range targets {
		targets[i] = fmt.Sprintf("%026d", i)
	}
	args := map[string]any{"script": strings.Repeat("x", 40<<10)}
	for i := range 60 {
		args[fmt.Sprint("n", i)] = strings.Repeat("y", 500)
	}
	for id, args := range map[string]map[string]any{"01A": {"service": "nginx"}, "01B": {"script": args["script"]}, "01C": args} {
		m.first(j, signed(id, now))
		e := Entry{Signer: "ann", Plugin: "service", Action: "restart", Args: args, Targets: Nearest(targets, targets[490]), Total: len(targets), Came: now}
		if err := j.Start(id, e); err != nil {
			t.Fatal(err)
		}
		j.store.view(func(tx *bbolt.Tx) error {
			if n := len(tx.Bucket(claims).Get([]byte(id))); n > 3<<10 {
				t.Errorf("%s: a claim of %d bytes", id, n)
			}
			return nil
		})
		if k, found, err := j.Change(id); !found || err != nil || len(k.Args) == 0 || k.Total != 500 {
			t.Errorf("%+v, %v, %v", k, found, err)
		}
	}
	named := map[string]bool{}
	for i := 0; i < len(targets); i += nearest { // all others are silent
		for _, id := range Nearest(targets, targets[i]) {
			named[id] = true
		}
	}
	if len(named) != len(targets) {
		t.Errorf("%d of %d are named", len(named), len(targets))
	}
}
