package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"fleet/internal/lazyregexp"
	"fleet/internal/nearest"
	"fleet/internal/wait"
	"fleet/plugins/plugin"
)

// Plugin is the service plugin of this host.
type Plugin struct {
	open func(context.Context) (manager, error)
}

var wholeName = lazyregexp.New(`\A(?:` + namePattern + `)\z`)

// New returns the plugin for this host's init system. It looks at nothing yet: each call finds the init system anew.
func New() *Plugin {
	return newPlugin(func(ctx context.Context) (manager, error) { return detect(ctx, "/") })
}

func newPlugin(open func(context.Context) (manager, error)) *Plugin {
	return &Plugin{open: open}
}

// manager is one init system. Names are within namePattern.
type manager interface {
	// look says what is known of a service; errAbsent if there is no such service. It takes a name as a person types it,
	// also an alias; all methods take the service's own name, the ID of the status.
	look(ctx context.Context, name string) (status, error)
	// act does verb (start, stop, restart or reload) and blocks until the init system calls it done or failed.
	act(ctx context.Context, verb, name string) error
	// enable makes the service start at boot, or not; false if there was nothing to change.
	enable(ctx context.Context, name string, on bool) (changed bool, err error)
	// spellings are the service's own names, the one that stands for it first, and others that it has or may have. It takes what
	// look takes, also if there is no such service.
	spellings(ctx context.Context, name string) (own, other []string, err error)
	// names lists the services there are, for suggestions.
	names(ctx context.Context) ([]string, error)
	// close frees what the manager holds.
	close()
}

// errAbsent says that the host has no such service.
var errAbsent = errors.New("no such service on this host")

// Run does one action. It blocks until the init system says how it went or ctx ends; a systemd job goes on then.
func (p *Plugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	r := run{name: call.Args.String("service"), verb: call.Action}
	if !wholeName().MatchString(r.name) {
		return plugin.Failf("%q is no service name", r.name)
	}
	m, err := p.open(ctx)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	defer m.close()
	r.m = m

	r.before, err = m.look(ctx, r.name)
	switch {
	case errors.Is(err, errAbsent):
		return r.absent(ctx)
	case err != nil:
		return plugin.Failf("cannot ask for %s: %v", r.name, err)
	}
	switch r.verb {
	case "status":
		return plugin.Result{State: plugin.OK, Message: r.before.String(), Data: r.before.data()}
	case "start", "stop", "restart", "reload":
		return r.act(ctx)
	case "enable", "disable":
		return r.enable(ctx)
	}
	return plugin.Failf("service has no action %q", r.verb)
}

// Reads says that the data function shows what status does.
func (p *Plugin) Reads(name string) plugin.Call {
	return plugin.Call{Action: "status", Args: plugin.Args{"service": name}}
}

// Query answers the data function service('NAME'): the outputs of status, and the state once more as status.
// A service that is not there has the status absent. What does not apply is nil, such as the pid of a stopped service.
func (p *Plugin) Query(ctx context.Context, argument string) (map[string]any, error) {
	if len(argument) > maxName || !wholeName().MatchString(argument) {
		return nil, fmt.Errorf("service(%q): this is no service name", argument)
	}
	m, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer m.close()
	st, err := m.look(ctx, argument)
	if errors.Is(err, errAbsent) {
		st, err = status{State: absent}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("service(%q): %w", argument, err)
	}
	data := map[string]any{outStatus: st.State}
	if a, ok := Declaration().Action("status"); ok {
		for _, out := range a.Outputs {
			data[out.Name] = nil
		}
	}
	maps.Copy(data, st.data())
	return data, nil
}

// Names says which unit a name means on this host, for rules of policy: with its suffix, aliases resolved. What is no service name is
// no more than itself.
func (p *Plugin) Names(ctx context.Context, _, input, value string) (own, other []string, err error) {
	if input != "service" || len(value) > maxName || !wholeName().MatchString(value) {
		return []string{value}, nil, nil
	}
	m, err := p.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer m.close()
	return m.spellings(ctx, value)
}

// run is one action on one service.
type run struct {
	m          manager
	name, verb string // the name as the person typed it
	before     status
}

// unit is the service by its own name. What the person typed may be an alias, which a disable removes.
func (r run) unit() string { return cmp.Or(r.before.ID, r.name) }

// aka tells of which unit the name is another one.
func (r run) aka() string {
	if id := strings.TrimSuffix(r.before.ID, ".service"); id != "" && id != strings.TrimSuffix(r.name, ".service") {
		return fmt.Sprintf(" (%s is %s)", r.name, r.before.ID)
	}
	return ""
}

// act does start, stop, restart and reload.
func (r run) act(ctx context.Context) plugin.Result {
	switch {
	case r.verb == "start" && r.before.State == running, r.verb == "stop" && (r.before.State == stopped || r.before.State == failed):
		return r.result(plugin.Unchanged, r.before, "already "+r.before.String())
	case r.before.Refused[r.verb] != "":
		return r.result(plugin.Failed, r.before, fmt.Sprintf("cannot %s %s: %s", r.verb, r.name, r.before.Refused[r.verb]))
	case r.verb == "reload" && r.before.State != running && r.before.State != unknown:
		return r.result(plugin.Failed, r.before, fmt.Sprintf("cannot reload %s: it is %s, start it instead", r.name, r.before.State))
	}
	if err := r.m.act(ctx, r.verb, r.unit()); err != nil {
		return r.failure(ctx, err)
	}
	after, steady, err := r.settle(ctx)
	if err != nil {
		return r.failure(ctx, fmt.Errorf("done, but its state cannot be asked for: %w", err))
	}
	return r.judge(after, steady)
}

// judge compares what is there after a successful act with what should be.
func (r run) judge(after status, steady bool) plugin.Result {
	done := map[string]string{"start": "started", "stop": "stopped", "restart": "restarted", "reload": "reloaded"}[r.verb]
	switch {
	case r.verb == "stop" && after.State == failed:
		return r.result(plugin.OK, after, "stopped, but it did not end well: "+after.String())
	case r.verb != "stop" && after.Skipped:
		return r.result(plugin.Skipped, after, "not started: a condition in its unit does not hold on this host")
	case r.verb != "stop" && after.Ended:
		return r.result(plugin.OK, after, done+"; it has ended already, without an error")
	case !r.reached(after):
		return r.result(plugin.Failed, after, fmt.Sprintf("%s is %s after %s%s", r.name, after, r.verb, after.hint()))
	case !steady:
		return r.result(plugin.Failed, after, fmt.Sprintf("%s does not stay up after %s%s", r.name, r.verb, after.hint()))
	case r.verb == "restart" && !after.anew(r.before):
		return r.result(plugin.Failed, after, fmt.Sprintf("%s was told to restart, but its old process still runs%s", r.name, after.hint()))
	case after.State == unknown:
		return r.result(plugin.OK, after, done+"; nothing tells whether it runs")
	}
	return r.result(plugin.OK, after, done+after.note())
}

// reached says whether the state fits the verb; a state that nobody can know does.
func (r run) reached(st status) bool {
	if st.State == unknown {
		return true
	}
	if r.verb == "stop" {
		return st.State == stopped || st.State == failed
	}
	return st.State == running || st.Ended || st.Skipped
}

// pauses are waited between looks at a state that is not yet what it should be, since daemons write their pid files
// late and systemd restarts what crashes; the first one is also how long a process must live to count as up where
// nothing else proves it. Together they are two seconds.
func pauses() []time.Duration {
	return []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 800 * time.Millisecond}
}

// settle looks until the state fits the verb, for a short while, and returns the last look. It is steady if the same
// process was seen twice or needs no such proof.
func (r run) settle(ctx context.Context) (st status, steady bool, err error) {
	st, err = r.m.look(ctx, r.unit())
	for _, pause := range pauses() {
		if errors.Is(err, errAbsent) && r.verb == "stop" { // gone with its removed unit file
			return status{State: stopped}, true, nil
		}
		steady = steady || !st.Unproven || r.verb == "stop"
		if err != nil || st.State == failed || r.reached(st) && steady {
			return st, steady, err
		}
		if err := wait.For(ctx, pause); err != nil {
			return st, false, err
		}
		last := st
		st, err = r.m.look(ctx, r.unit())
		steady = st.Run == last.Run && st.PID == last.PID
	}
	return st, steady, err
}

// enable does enable and disable.
func (r run) enable(ctx context.Context) plugin.Result {
	on, was := r.verb == "enable", r.before.Enabled
	switch { // what is enabled is enabled again, since its [Install] section may have changed since
	case !on && was != enabled && (was == disabled || r.before.Refused[r.verb] != ""):
		return r.enabling(plugin.Unchanged, r.before, "not enabled: it is "+was)
	case r.before.Refused[r.verb] != "":
		return r.enabling(plugin.Failed, r.before, fmt.Sprintf("cannot %s %s: %s", r.verb, r.name, r.before.Refused[r.verb]))
	}
	changed, err := r.m.enable(ctx, r.unit(), on)
	if err != nil {
		return r.enabling(plugin.Failed, r.before, fmt.Sprintf("%s of %s failed: %v", r.verb, r.name, err))
	}
	after, err := r.m.look(ctx, r.unit())
	switch {
	case err != nil:
		return r.failure(ctx, fmt.Errorf("done, but its state cannot be asked for: %w", err))
	case on && after.Enabled == disabled, !on && after.Enabled == enabled:
		return r.enabling(plugin.Failed, after, fmt.Sprintf("%s is still %s after %s", r.name, after.Enabled, r.verb))
	case !changed:
		return r.enabling(plugin.Unchanged, after, "already "+after.Enabled)
	}
	if on && was == enabled {
		return r.enabling(plugin.OK, after, "enabled anew: what its unit file installs had changed since it was enabled"+r.aka())
	}
	return r.enabling(plugin.OK, after, r.verb+"d"+r.aka())
}

func (r run) result(state plugin.State, after status, message string) plugin.Result {
	data := after.data()
	data[outPrevious] = r.before.State
	if r.before.PID > 0 {
		data[outPreviousPID] = r.before.PID
	}
	if !r.before.Since.IsZero() {
		data[outPreviousSince] = r.before.Since.UTC().Format(time.RFC3339)
	}
	return plugin.Result{State: state, Message: message, Data: data}
}

func (r run) enabling(state plugin.State, after status, message string) plugin.Result {
	res := r.result(state, after, message)
	res.Data[outPrevious] = r.before.Enabled
	return res
}

// failure answers an act that went wrong, with the state the service is left in if that can still be asked for.
func (r run) failure(ctx context.Context, err error) plugin.Result {
	if ctx.Err() != nil {
		why := "did not end within the time limit"
		if errors.Is(ctx.Err(), context.Canceled) {
			why = "had not ended when this was told to stop,"
		}
		return r.result(plugin.Failed, r.before, fmt.Sprintf("%s of %s %s and may go on; ask for its status", r.verb, r.name, why))
	}
	after, lookErr := r.m.look(ctx, r.unit())
	if lookErr != nil {
		return r.result(plugin.Failed, status{State: unknown}, fmt.Sprintf("%s of %s failed: %v", r.verb, r.name, err))
	}
	return r.result(plugin.Failed, after, fmt.Sprintf("%s of %s failed: %v; it is %s%s", r.verb, r.name, err, after, after.hint()))
}

// suggestions is how many nearest names are worth a person's eye.
const suggestions = 3

// absent answers for a service that is not there. A failure to list the others only costs the suggestion.
func (r run) absent(ctx context.Context) plugin.Result {
	message := fmt.Sprintf("no service %s on this host", r.name)
	data := map[string]any{outState: absent}
	names, _ := r.m.names(ctx)
	if near := nearest.Names(strings.TrimSuffix(r.name, ".service"), names, suggestions); len(near) > 0 {
		list := make([]any, len(near))
		for i, name := range near {
			list[i] = name
		}
		data[outNearest] = list
		message += "; there is " + strings.Join(near, ", ")
	}
	return plugin.Result{State: plugin.Skipped, Message: message, Data: data}
}
