package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The scripts of the contract's services. %[1]s is the root they live in.
const (
	napperScript = `#!/bin/sh
### BEGIN INIT INFO
# Provides: NAME
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: sleeps
### END INIT INFO
# pidfile: /run/NAME.pid
pidfile=%[1]s/run/$(basename $0).pid
alive() { [ -s $pidfile ] && kill -0 $(cat $pidfile) 2>/dev/null; }
stop() { alive || return 0; kill $(cat $pidfile); rm -f $pidfile; }
start() { alive && return 0; sleep 1000 & echo $! > $pidfile; }
case "$1" in
start) start ;;
stop) stop ;;
restart) stop; start ;;
reload) alive ;;
status)
	if alive; then echo "$(basename $0) is running."; exit 0; fi
	[ -e $pidfile ] && exit 1
	echo "$(basename $0) is not running ... failed!"; exit 3 ;;
*) echo "Usage: $0 {start|stop|restart|reload|status}"; exit 2 ;;
esac
`
	breakerScript = `#!/bin/sh
case "$1" in
status) exit 3 ;;
stop) exit 0 ;;
*) echo "some words first"; echo "breaker: cannot open /etc/breaker.conf"; exit 1 ;;
esac
`
	sleeperScript = `#!/bin/sh
case "$1" in
status) exit 3 ;;
start) sleep 600 ;;
esac
`
	// makes the same links as Debian's update-rc.d
	updateRCScript = `#!/bin/sh
cd %[1]s/etc || exit 1
case "$2" in
defaults) for l in 2 3 4 5; do [ -e rc$l.d/K01$1 ] || ln -sf ../init.d/$1 rc$l.d/S01$1; done ;;
enable) for l in 2 3 4 5; do rm -f rc$l.d/K01$1; ln -sf ../init.d/$1 rc$l.d/S01$1; done ;;
disable) for l in 2 3 4 5; do rm -f rc$l.d/S01$1; ln -sf ../init.d/$1 rc$l.d/K01$1; done ;;
esac
`
)

// sysvRoot makes a root with the contract's services as scripts and kills what they started in the end.
func sysvRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"run", "etc/init.d", "etc/rc2.d", "etc/rc3.d", "etc/rc4.d", "etc/rc5.d", "usr/sbin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	napper := func(name string) string { return strings.ReplaceAll(napperScript, "NAME", name) }
	writeScript(t, root, "etc/init.d/napper", napper("napper"))
	writeScript(t, root, "etc/init.d/napper-2", napper("napper-2"))
	writeScript(t, root, "etc/init.d/cron-like", napper("cron-like"))
	writeScript(t, root, "etc/init.d/breaker", breakerScript)
	writeScript(t, root, "etc/init.d/sleeper", sleeperScript)
	writeScript(t, root, "etc/init.d/reboot", "#!/bin/sh\nexit 0\n")
	writeScript(t, root, "usr/sbin/update-rc.d", updateRCScript)
	t.Cleanup(func() {
		files, _ := filepath.Glob(filepath.Join(root, "run/*.pid"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return root
}

func writeScript(t *testing.T, root, file, script string) {
	t.Helper()
	if strings.Contains(script, "%[1]s") {
		script = fmt.Sprintf(script, root)
	}
	if err := os.WriteFile(filepath.Join(root, file), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func sysvPlugin(root string) *Plugin {
	return newPlugin(func(ctx context.Context) (manager, error) { return detect(ctx, root) })
}

func TestContractSysVWithRealScripts(t *testing.T) {
	contract(t, sysvPlugin(sysvRoot(t)))
}

func TestSysVTellsWhatTheScriptSaid(t *testing.T) {
	res := act(t, t.Context(), sysvPlugin(sysvRoot(t)), "start", "breaker")
	want := "start of breaker failed: breaker ended with exit status 1 and said: breaker: cannot open /etc/breaker.conf; it is stopped, disabled"
	if res.Message != want {
		t.Errorf("got  %s\nwant %s", res.Message, want)
	}
}

func TestSysVLeavesTheBootAlone(t *testing.T) {
	root := sysvRoot(t)
	if err := os.WriteFile(filepath.Join(root, "etc/init.d/notes"), []byte("not executable"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reboot", "notes"} {
		if res := act(t, t.Context(), sysvPlugin(root), "start", name); res.State != "skipped" {
			t.Errorf("start %s: %s, %q", name, res.State, res.Message)
		}
	}
}

func TestSysVSeesADeadDaemon(t *testing.T) {
	root := sysvRoot(t)
	if err := os.WriteFile(filepath.Join(root, "run/napper.pid"), []byte("2147483646\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := sysvPlugin(root)
	if res := act(t, t.Context(), p, "status", "napper"); res.Data[outState] != failed || res.Data[outPID] != nil {
		t.Errorf("got %v", res)
	}
	if res := act(t, t.Context(), p, "start", "napper"); res.State != "ok" || res.Data[outPrevious] != failed {
		t.Errorf("start of a dead one: %v", res)
	}
}

func TestSysVCannotEnableWithoutATool(t *testing.T) {
	root := sysvRoot(t)
	if err := os.Remove(filepath.Join(root, "usr/sbin/update-rc.d")); err != nil {
		t.Fatal(err)
	}
	res := act(t, t.Context(), sysvPlugin(root), "enable", "napper")
	if res.State != "failed" || !strings.Contains(res.Message, "neither update-rc.d nor chkconfig") {
		t.Errorf("got %v", res)
	}
}

func TestNoInitSystem(t *testing.T) {
	res := act(t, t.Context(), sysvPlugin(t.TempDir()), "status", "napper")
	if res.State != "failed" || !strings.Contains(res.Message, "no init system that fleet knows") {
		t.Errorf("got %v", res)
	}
}

// The outputs are those of Debian 12's scripts and of RHEL 6's, with their exit codes.
func TestParseStatus(t *testing.T) {
	tests := []struct {
		output string
		code   int
		state  string
		pid    int64
	}{
		{"cron is running.\n", 0, running, 0},
		{"nginx (pid  1234 1235) is running...\n", 0, running, 1234},
		{"ntpd (pid 77) is running...", 0, running, 77},
		{"dbus is not running ... failed!\n", 3, stopped, 0},
		{"Docker is not running ... failed!\n", 3, stopped, 0},
		{"15/main (port 5432): down\n", 3, stopped, 0},
		{"nginx is stopped\n", 0, stopped, 0},
		{"nginx dead but pid file exists", 1, failed, 0},
		{"nginx dead but subsys locked", 2, failed, 0},
		// Scripts that exit with 0 whatever they say.
		{"one is not started\n", 0, stopped, 0},
		{"two: stopped\n", 0, stopped, 0},
		{"three is not active\n", 0, stopped, 0},
		{"four isn't running\n", 0, stopped, 0},
		{"five is NOT currently running.\n", 0, stopped, 0},
		{"six: no process found\n", 0, stopped, 0},
		{"There is no running process for seven\n", 0, stopped, 0},
		{"eight stop/waiting\n", 0, stopped, 0},
		{"Checking for service nine: unused\n", 0, stopped, 0},
		{"ten: inactive (dead)\n", 0, stopped, 0},
		{"eleven dead but pid file exists\n", 0, failed, 0},
		{"twelve is not running ... failed!\n", 0, stopped, 0},
		{"worker (pid 812) is running\nmaster is not running\n", 0, unknown, 0},
		{"master: stopped\nworker: running\n", 0, unknown, 0},
		{"14/main (port 5432): down\n15/main (port 5433): online\n", 0, unknown, 0},
		{"thirteen: master dead, 2 workers running\n", 0, unknown, 0},
		{"none of its workers is running\n", 0, stopped, 0},
		{"0 of 2 workers running\n", 0, stopped, 0},
		{"1 of 2 workers running\n", 0, unknown, 0},
		{"1/3 processes are up\n", 0, unknown, 0},
		{"2/2 processes are up\n", 0, running, 0},
		{"it is NOT up and running\n", 0, unknown, 0},
		{"pid file not found\n", 0, stopped, 0},
		{"fourteen start/running, process 4711\n", 0, running, 4711},
		{"fifteen is active\n", 0, running, 0},
		{"Checking sixteen: OK\n", 0, running, 0},
		{"Usage: /etc/init.d/cloud-init {start}\n", 3, unknown, 0},
		{"Usage: hwclock.sh {stop|reload|force-reload|show}.\n", 1, unknown, 0},
		{"", 4, unknown, 0},
		{"", 0, running, 0},
		{"", 3, stopped, 0},
		{"pid 99999999999999 is running", 0, running, 0},
		{"", 137, unknown, 0},
	}
	for _, tt := range tests {
		if st := parseStatus(tt.output, tt.code); st.State != tt.state || st.PID != tt.pid {
			t.Errorf("parseStatus(%q, %d) = %s, pid %d; want %s, %d", tt.output, tt.code, st.State, st.PID, tt.state, tt.pid)
		}
	}
}

// A script that exits with 0 whatever it says, and says that it does not run, is started: nobody may believe the 0.
func TestSysVStartsWhatSaysThatItIsDown(t *testing.T) {
	root := sysvRoot(t)
	for name, words := range map[string]string{"lazy": "lazy is not started", "half": "worker is running, master is not running"} {
		writeScript(t, root, "etc/init.d/"+name, "#!/bin/sh\ncase $1 in\nstart) touch %[1]s/run/"+name+" ;;\nstatus) if [ -e %[1]s/run/"+name+" ]; then echo "+name+
			" is running; else echo '"+words+"'; fi ;;\nesac\nexit 0\n")
		p := sysvPlugin(root)
		if res := act(t, t.Context(), p, "status", name); res.Data[outState] == running {
			t.Errorf("%s: %q passes for running", name, words)
		}
		if res := act(t, t.Context(), p, "start", name); res.State != "ok" || res.Data[outState] != running {
			t.Errorf("start %s: %v", name, res)
		}
		if res := act(t, t.Context(), p, "start", name); res.State != "unchanged" {
			t.Errorf("start %s again: %v", name, res)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add("nginx (pid  1234) is running...", 0)
	f.Add("Usage: x {start}", 1)
	f.Add(" * status: crashed\n", 32)
	f.Add(" * status: stopped\n", 3)
	f.Fuzz(func(t *testing.T, output string, code int) {
		for _, st := range []status{parseStatus(output, code), parseRCStatus(output, code)} {
			if !slices.Contains([]string{running, stopped, failed, starting, stopping, unknown}, st.State) || st.PID < 0 {
				t.Errorf("%q, %d: %+v", output, code, st)
			}
		}
		if line := lastLine(output); len(line) > maxLine+3 || strings.ContainsAny(line, "\n\r\x1b\x00") {
			t.Errorf("lastLine(%q) = %q", output, line)
		}
	})
}
