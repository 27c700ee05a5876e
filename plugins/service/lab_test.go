//go:build labhost

package service

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fleet/plugins/plugin"
)

// These tests steer the init system of the machine they run on and leave files in it: they are for throwaway hosts, and
// have a build tag of their own so that `go test -tags lab ./...` leaves this machine alone. scripts/test lab runs them
// inside a host of the lab; by hand, with a lab that is up:
//
//	CGO_ENABLED=0 go test -tags labhost -exec "$PWD/scripts/test.d/in-lab web1" -run Lab ./plugins/service

const napperUnit = `[Service]
ExecStart=/bin/sleep 1000
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
`

func TestLabContract(t *testing.T) {
	m, err := detect(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	m.close()
	t.Logf("the init system here is %T", m)
	if _, ok := m.(*systemd); ok {
		labUnits(t)
		contract(t, New())
		return
	}
	labScripts(t, m)
	contract(t, New())
}

func labUnits(t *testing.T) {
	for name, unit := range map[string]string{
		"napper": napperUnit, "napper-2": napperUnit, "cron-like": napperUnit,
		"breaker":   "[Service]\nType=notify\nExecStart=/bin/sh -c 'exit 78'\n",
		"sleeper":   "[Service]\nType=oneshot\nExecStart=/bin/sleep 600\n",
		"once":      "[Service]\nType=oneshot\nExecStart=/bin/true\n",
		"unmet":     "[Unit]\nConditionPathExists=/nowhere\n[Service]\nExecStart=/bin/sleep 1000\n",
		"plain":     "[Service]\nExecStart=/bin/sleep 1000\n",
		"crasher":   "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=300ms\n",
		"simplebad": "[Service]\nExecStart=/nowhere/at/all\n",
	} {
		labWrite(t, "/etc/systemd/system/"+name+".service", unit, 0o644)
	}
	labWrite(t, "/etc/systemd/system/once.timer", "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n", 0o644)
	labRun(t, "systemctl", "daemon-reload")
}

func labScripts(t *testing.T, m manager) {
	script := map[string]string{"breaker": breakerScript, "sleeper": sleeperScript}
	for _, name := range []string{"napper", "napper-2", "cron-like"} {
		script[name] = strings.NewReplacer("%[1]s", "", "NAME", name).Replace(napperScript)
		if _, ok := m.(openrc); ok {
			script[name] = "#!/sbin/openrc-run\ncommand=/bin/sleep\ncommand_args=1000\ncommand_background=yes\n" +
				"pidfile=/run/" + name + ".pid\nextra_started_commands=reload\nreload() { true; }\n"
		}
	}
	for name, text := range script {
		labWrite(t, "/etc/init.d/"+name, text, 0o755)
	}
}

func labWrite(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func labRun(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// What only a real systemd knows.
func TestLabSystemd(t *testing.T) {
	if !labHasSystemd(t) {
		return
	}
	labUnits(t)
	labRun(t, "systemctl", "mask", "plain-masked")
	labSteps(t, []labStep{
		{"start", "once", plugin.OK, "started; it has ended already"},
		{"restart", "once", plugin.OK, "restarted; it has ended already"},
		{"start", "unmet", plugin.Skipped, "a condition in its unit does not hold"},
		{"status", "plain", plugin.OK, "stopped, static"},
		{"enable", "plain", plugin.Failed, "has no [Install] section"},
		{"start", "plain", plugin.OK, "started"},
		{"reload", "plain", plugin.Failed, "has no reload"},
		{"stop", "plain", plugin.OK, "stopped"},
		{"start", "plain-masked", plugin.Failed, "masked"},
		{"start", "crasher", plugin.Failed, "after start"},
		{"stop", "crasher", plugin.OK, "stopped"},
		{"start", "simplebad", plugin.Failed, "failed (exit status 203)"},
		{"restart", "breaker", plugin.Failed, "failed (exit status 78)"},
		{"status", "breaker", plugin.OK, "failed (exit status 78), static"},
		{"start", "once.timer", plugin.OK, "started"},
		{"status", "once.timer", plugin.OK, "running (waiting), disabled"},
		{"enable", "once.timer", plugin.OK, "enabled"},
		{"restart", "once.timer", plugin.OK, "restarted"},
		{"disable", "once.timer", plugin.OK, "disabled"},
		{"stop", "once.timer", plugin.OK, "stopped"},
		{"start", "poweroff.target", plugin.Failed, "is no service"},
		{"restart", "dbus", plugin.OK, "restarted"},
	})
}

// Aliases, escapes and an [Install] section that changed, as systemd itself has them.
func TestLabUnitNames(t *testing.T) {
	if !labHasSystemd(t) {
		return
	}
	labWrite(t, "/etc/systemd/system/fleet-maria.service", strings.Replace(napperUnit, "[Install]", "[Install]\nAlias=fleet-my.service", 1), 0o644)
	labWrite(t, `/etc/systemd/system/fleet\x2dvpn\x20home.service`, napperUnit, 0o644)
	labWrite(t, "/etc/systemd/system/fleet-moved.service", napperUnit, 0o644)
	labRun(t, "systemctl", "daemon-reload")
	labRun(t, "systemctl", "enable", "fleet-maria", "fleet-moved")
	for name, want := range map[string][2]string{ // what rules of policy compare: the unit, and another of its names
		"fleet-my": {"fleet-maria.service", "fleet-my"}, "fleet-my.service": {"fleet-maria.service", "fleet-my.service"}, "fleet-maria": {"fleet-maria.service", "fleet-my"},
		"fleet-vpn home": {`fleet\x2dvpn\x20home.service`, "fleet-vpn home"}, "autovt@tty9": {"getty@tty9.service", "autovt@tty9"}, "fleet-nothing": {"fleet-nothing.service", ""},
	} {
		own, other, err := New().Names(t.Context(), "restart", "service", name)
		if err != nil || own[0] != want[0] || want[1] != "" && !slices.Contains(other, want[1]) {
			t.Errorf("%s is %q, also %q, %v; want %q", name, own, other, err, want)
		}
	}
	labSteps(t, []labStep{
		{"start", "fleet-my", plugin.OK, "started"},
		{"stop", "fleet-my", plugin.OK, "stopped"},
		{"disable", "fleet-my", plugin.OK, "disabled (fleet-my is fleet-maria.service)"},
		{"status", "fleet-maria", plugin.OK, "stopped, disabled"},
		{"start", `fleet\x2dvpn\x20home`, plugin.OK, "started"},
		{"status", "fleet-vpn home", plugin.OK, "running, disabled"},
		{"stop", "fleetx2dvpnx20home", plugin.OK, "stopped"},
		{"enable", "fleet-moved", plugin.Unchanged, "already enabled"},
	})
	labWrite(t, "/etc/systemd/system/fleet-moved.service", strings.Replace(napperUnit, "multi-user", "graphical", 1), 0o644)
	labRun(t, "systemctl", "daemon-reload")
	labSteps(t, []labStep{
		{"enable", "fleet-moved", plugin.OK, "enabled anew"},
		{"enable", "fleet-moved", plugin.Unchanged, "already enabled"},
		{"disable", "fleet-moved", plugin.OK, "disabled"},
		{"status", "fleet-moved", plugin.OK, "stopped, disabled"},
	})
}

// A script of SysV's kind on a host with systemd: systemd runs it, the boot links are update-rc.d's.
func TestLabScriptUnderSystemd(t *testing.T) {
	if !labHasSystemd(t) {
		return
	}
	labWrite(t, "/etc/init.d/oldie", strings.NewReplacer("%[1]s", "", "NAME", "oldie").Replace(napperScript), 0o755)
	labRun(t, "systemctl", "daemon-reload")
	labSteps(t, []labStep{
		{"status", "oldie", plugin.OK, "stopped, disabled"},
		{"start", "oldie", plugin.OK, "started"},
		{"restart", "oldie", plugin.OK, "restarted"},
		{"enable", "oldie", plugin.OK, "enabled"},
		{"enable", "oldie", plugin.Unchanged, "already enabled"},
		{"status", "oldie", plugin.OK, "enabled"},
		{"disable", "oldie", plugin.OK, "disabled"},
		{"stop", "oldie", plugin.OK, "stopped"},
	})
}

// The host's own nginx, if it has one, with a good and with a broken configuration.
func TestLabNginx(t *testing.T) {
	const conf = "/etc/nginx/conf.d/broken.conf"
	if _, err := os.Stat("/lib/systemd/system/nginx.service"); err != nil || !labHasSystemd(t) {
		t.Log("NOT RUN: this host has no nginx under systemd")
		return
	}
	labSteps(t, []labStep{
		{"restart", "nginx", plugin.OK, "restarted"},
		{"reload", "nginx", plugin.OK, "reloaded"},
		{"status", "ngnix", plugin.Skipped, "no service ngnix on this host; there is nginx"},
	})
	labWrite(t, conf, "nonsense;\n", 0o644)
	labSteps(t, []labStep{
		{"reload", "nginx", plugin.Failed, "reload of nginx failed"},
		{"restart", "nginx", plugin.Failed, "it is failed (exit status 1), enabled; look at: journalctl -u nginx.service"},
		{"status", "nginx", plugin.OK, "failed (exit status 1), enabled"},
	})
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	labRun(t, "systemctl", "stop", "dbus.socket", "dbus.service") // systemd is reached without it
	labSteps(t, []labStep{
		{"restart", "nginx", plugin.OK, "restarted"},
		{"status", "nginx", plugin.OK, "running, enabled"},
	})
	labRun(t, "systemctl", "start", "dbus.socket")
}

func labHasSystemd(t *testing.T) bool {
	t.Helper()
	m, err := detect(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	m.close()
	_, ok := m.(*systemd)
	if !ok {
		t.Logf("NOT RUN: no systemd here but %T, which TestLabContract covers", m)
	}
	return ok
}

type labStep struct {
	action, service string
	state           plugin.State
	message         string
}

func labSteps(t *testing.T, steps []labStep) {
	t.Helper()
	p := New()
	for _, tt := range steps {
		res := act(t, t.Context(), p, tt.action, tt.service)
		t.Logf("%s %s: %s, %s, %v", tt.action, tt.service, res.State, res.Message, res.Data)
		if res.State != tt.state || !strings.Contains(res.Message, tt.message) {
			t.Errorf("%s %s: %s, %q; want %s, %q", tt.action, tt.service, res.State, res.Message, tt.state, tt.message)
		}
	}
}

func BenchmarkLabDial(b *testing.B) {
	for b.Loop() {
		m, err := detect(context.Background(), "/")
		if err != nil {
			b.Fatal(err)
		}
		m.close()
	}
}

func BenchmarkLabStatus(b *testing.B) {
	p := New()
	for b.Loop() {
		p.Run(context.Background(), plugin.Call{Action: "status", Args: plugin.Args{"service": "cron"}})
	}
}
