package detached

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/internal/wire"
	"fleet/plugins/plugin"
)

const (
	dirEnv = "DETACHED_TEST_DIR" // the test binary is the process too
	id     = "01M8ECYHY3CMGEQK924NP89792"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(dirEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for { // os/signal is the command line's; a file stands in for the signal that it would hand on
			if _, err := os.Lstat(filepath.Join(dir, "told")); err == nil {
				cancel()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	err := actWithin(ctx, dir, func(name string) (plugin.Plugin, bool) { return probe{dir}, name == "probe" }, 100*time.Millisecond)
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// probe is a plugin that behaves well and badly on demand.
type probe struct{ dir string }

func (probe) Declaration() plugin.Declaration {
	action := func(name string, detached bool) plugin.Action {
		return plugin.Action{Name: name, Description: "x", Kind: plugin.Change, Detached: detached, Inputs: []plugin.Input{{Name: "n", Type: plugin.Integer, Optional: true}}}
	}
	return plugin.Declaration{Name: "probe", Description: "x", Timeout: time.Minute, Actions: []plugin.Action{
		action("count", true), action("hold", true), action("panic", true), action("die", true), action("odd", true), action("deaf", true), action("here", false),
	}}
}

func (p probe) Run(ctx context.Context, call plugin.Call) plugin.Result {
	f, err := os.OpenFile(filepath.Join(p.dir, "..", "ran"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	f.WriteString("x")
	f.Close()
	switch call.Action {
	case "hold":
		<-ctx.Done()
		return plugin.Failf("stopped")
	case "deaf":
		select {}
	case "panic":
		panic("as told")
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "odd":
		return plugin.Result{State: plugin.OK, Message: "a\xffb", Data: map[string]any{"x": "\xff", "big": strings.Repeat("x", maxResult)}}
	}
	return plugin.Result{State: plugin.OK, Message: "done", Data: map[string]any{"n": call.Args["n"]}}
}

// itself starts this test binary as the process.
type itself struct{ err error }

func (s itself) Start(_ context.Context, _ string, argv []string) error {
	if s.err != nil {
		return s.err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirEnv+"="+argv[0])
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}

func runner(t *testing.T, s Starter) *Runner {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jobs")
	r, err := New(dir, s, func(id string) []string { return []string{filepath.Join(dir, id)} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func call(action string) Call {
	return Call{Plugin: "probe", Action: action, Args: map[string]any{"n": int64(7)}, Limit: time.Minute, Signer: "ann", Key: []byte{1}, Came: 5}
}

func begin(t *testing.T, r *Runner, c Call) {
	t.Helper()
	if err := r.Begin(t.Context(), id, []byte("signed"), c); err != nil {
		t.Fatal(err)
	}
}

func (r *Runner) ran(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "ran"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(b)
}

// An action ends as its plugin says, whoever waits, and is forgotten then.
func TestAnActionEnds(t *testing.T) {
	r := runner(t, itself{})
	begin(t, r, call("count"))
	if err := r.Begin(t.Context(), id, []byte("signed"), call("count")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("begun twice: %v", err)
	}
	left := r.Left()
	if len(left) != 1 || left[0].ID != id || string(left[0].Signed) != "signed" || left[0].Call.Signer != "ann" || left[0].Call.Limit != time.Minute {
		t.Errorf("%+v", left)
	}
	for range 2 { // the next agent finds the same
		end, err := r.Wait(t.Context(), id)
		if err != nil || end.State != plugin.OK || end.Message != "done" || end.Data["n"] != int64(7) {
			t.Fatalf("%+v, %v", end, err)
		}
	}
	over, end := context.WithCancel(t.Context())
	end()
	if err := r.Stop(over, id); err != nil { // of one that has ended
		t.Error(err)
	}
	r.End(id)
	if _, err := os.Lstat(filepath.Join(r.dir, id)); !errors.Is(err, fs.ErrNotExist) || len(r.Left()) != 0 {
		t.Error(err, r.Left())
	}
	if n := r.ran(t); n != 1 {
		t.Errorf("ran %d times", n)
	}
}

// Who stops to wait does not end the action.
func TestTheActionGoesOnWithoutTheAgent(t *testing.T) {
	r := runner(t, itself{})
	begin(t, r, call("hold"))
	until(t, func() bool { return r.ran(t) == 1 && !r.gone(id) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Wait(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	again, err := New(r.dir, itself{}, nil, r.log)
	if err != nil {
		t.Fatal(err)
	}
	if left := again.Left(); len(left) != 1 {
		t.Fatal(left)
	}
	if err := os.WriteFile(r.file(id, "told"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if end, err := again.Wait(t.Context(), id); err != nil || end.State != plugin.Failed || !end.Stopped || end.TimedOut {
		t.Errorf("%+v, %v", end, err)
	}
}

// An action that heeds neither its time limit nor who tells it to stop is given up, and its process ends.
func TestADeafActionIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name     string
		limit    time.Duration
		told     bool
		timedOut bool
	}{{"its time is over", 50 * time.Millisecond, false, true}, {"it is told to stop", time.Minute, true, false}} {
		t.Run(tt.name, func(t *testing.T) {
			r, c := runner(t, itself{}), call("deaf")
			c.Limit = tt.limit
			begin(t, r, c)
			until(t, func() bool { return r.ran(t) == 1 })
			if tt.told {
				if err := os.WriteFile(r.file(id, "told"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			end, err := r.Wait(t.Context(), id)
			if err != nil || end.State != plugin.Failed || end.TimedOut != tt.timedOut || end.Stopped != tt.told || !strings.Contains(end.Message, "did not stop within") {
				t.Errorf("%+v, %v", end, err)
			}
			until(t, func() bool { return r.gone(id) })
		})
	}
}

// Stop signals the process that holds the lock, and no other.
func TestStop(t *testing.T) {
	r := runner(t, itself{})
	begin(t, r, call("hold"))
	until(t, func() bool { return r.ran(t) == 1 && !r.gone(id) })
	if err := r.Stop(t.Context(), id); err != nil { // the process of this test does not handle the signal, so that it dies of it
		t.Fatal(err)
	}
	if _, err := r.Wait(t.Context(), id); !errors.Is(err, ErrCutOff) {
		t.Error(err)
	}
	if err := os.WriteFile(r.file(id, lockFile), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	for _, pid := range []string{"1", "-1", "0", "x", "", "99999999999999999999"} {
		if err := os.WriteFile(r.file(id, lockFile), []byte(pid), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(over, id); err != nil {
			t.Errorf("%q: %v", pid, err)
		}
	}
}

func TestBadEnds(t *testing.T) {
	for action, want := range map[string]string{
		"die":   ErrCutOff.Error(),
		"panic": "failed: the plugin crashed: as told",
		"odd":   "ok: a\uFFFDb (outputs left out: 1048605 bytes, at most 1048576 fit)",
	} {
		r := runner(t, itself{})
		begin(t, r, call(action))
		end, err := r.Wait(t.Context(), id)
		got := string(end.State) + ": " + end.Message
		if err != nil {
			got = err.Error()
		}
		if got != want || r.ran(t) != 1 {
			t.Errorf("%s: %s; ran %d times", action, got, r.ran(t))
		}
		if out, err := act(r, id); err == nil || !strings.Contains(out, errBegun.Error()) || r.ran(t) != 1 {
			t.Errorf("%s: started again: %s, %v", action, out, err)
		}
	}
	r := runner(t, itself{})
	slow := call("hold")
	slow.Limit = 50 * time.Millisecond
	begin(t, r, slow)
	if end, err := r.Wait(t.Context(), id); err != nil || !end.TimedOut || end.Stopped {
		t.Errorf("%+v, %v", end, err)
	}
}

// act starts the process once more, and waits for it.
func act(r *Runner, id string) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirEnv+"="+filepath.Join(r.dir, id))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// What cannot be started has not run, and does not run later; what must not run detached does not.
func TestNothingBegins(t *testing.T) {
	r := runner(t, itself{errors.New("no processes left")})
	if err := r.Begin(t.Context(), id, nil, call("count")); err == nil || !strings.Contains(err.Error(), "no processes left") {
		t.Error(err)
	}
	if err := r.Begin(t.Context(), "../x", nil, call("count")); err == nil {
		t.Error("an id that is a path")
	}
	if len(r.Left()) != 0 {
		t.Error(r.Left())
	}
	for _, c := range []Call{
		call("here"), call("none"), {Plugin: "none", Action: "count", Limit: time.Minute}, {Plugin: "probe", Action: "count"},
		{Plugin: "probe", Action: "count", Limit: time.Minute, Args: map[string]any{"n": "no number"}},
	} {
		r := runner(t, itself{})
		os.Mkdir(filepath.Join(r.dir, id), 0o700)
		raw, err := wire.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.file(id, callFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := act(r, id); err == nil || r.ran(t) != 0 || r.has(id, begunFile) {
			t.Errorf("%+v: %s, ran %d times", c, out, r.ran(t))
		}
	}
}

func TestDamagedDirectories(t *testing.T) {
	r := runner(t, itself{})
	for name, file := range map[string]string{"01M8ECYHY3CMGEQK924NP89793": jobFile, "01M8ECYHY3CMGEQK924NP89794": callFile, "no id": jobFile} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.dir, name, file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if left := r.Left(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "01M8ECYHY3CMGEQK924NP89793", resultFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wait(t.Context(), "01M8ECYHY3CMGEQK924NP89793"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-t.Context().Done():
			t.Fatal("in vain")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func FuzzDecodeCall(f *testing.F) {
	raw, err := wire.Marshal(call("count"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := decodeCall(raw); err == nil && c.Limit <= 0 {
			t.Errorf("%+v", c)
		}
	})
}

func FuzzDecodeResult(f *testing.F) {
	raw, err := wire.Marshal(result{State: plugin.OK, Message: "done"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) { decodeResult(raw) })
}
