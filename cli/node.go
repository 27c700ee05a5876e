package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/node"
	"fleet/node/journal"
	"fleet/node/metrics"
	"fleet/plugins"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagJoin     = "join"
	flagSeed     = "seed"
	flagPinned   = "pinned"
	flagLogLevel = "log-level"
	flagMetrics  = "metrics"

	envJoin = "FLEET_JOIN"
	// joinPath is where a booted machine finds its token; the node removes it once it is in.
	joinPath = "/etc/fleet/join"

	// policyPath is the host's own policy, where it has one.
	policyPath = "/etc/fleet/policy.toml"

	factsEvery = 5 * time.Minute
)

func nodeVerb() verb {
	return verb{
		name: "node", group: groupBuild, brief: "run the agent on this host, in the foreground", atMost: 0,
		about: []string{
			"Runs until it is stopped (Ctrl-C, SIGTERM). A host that is not in a fleet yet needs a join token, from the first of these that is set: --join @FILE, FLEET_JOIN, " + joinPath + ". The file must have mode 0600; " + joinPath + " is deleted after the host has joined.",
			"--join TOKEN works too, but then every user of the host can read the token in the process list.",
		},
		examples: []example{
			{"fleet node", "on the host where you ran fleet init"},
			{"fleet node --join @/root/token", "on another host, to join"},
			{"fleet node install --join-file /root/token", "as a service that starts at boot"},
		},
		flags: append([]ucli.Flag{
			joinFlag(),
			many(placeOfNode, flagSeed, "", "`HOST:PORT`: gossip address of another host, in addition to the remembered ones; repeat for several"),
			toggle(placeOfNode, flagPinned, "", "prefer this host for running a broker (peers only)"),
			text(placeOfNode, flagLogLevel, "", "`LEVEL`: debug, info, warn or error (default info)"),
			text(placeOfNode, flagMetrics, "", "`ADDRESS:PORT|unix:/PATH`: serve metrics and health checks there; loopback only (default: off)"),
			text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
		}, placeFlags()...),
		endings:  []ending{endFault},
		subverbs: []verb{installVerb(), renameVerb(), adoptRootVerb(), labelVerb(), revokeNodeVerb(), actVerb()},
		do:       func(e *env, in *ucli.Context) error { return e.runNode(in) },
	}
}

func (e *env) runNode(in *ucli.Context) error {
	if err := trustedConfig(in.String(flagConfig), e.getenv); err != nil {
		return err
	}
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	o, err := parseNode(in, c, e)
	if err != nil {
		return err
	}
	// An idle agent lives beside what the host is for: half the garbage for a little more work (about 1 MB, measured).
	debug.SetGCPercent(50)
	return e.startNode(in.Context, o)
}

// nodeOptions is all that fleet node was told.
type nodeOptions struct {
	place  place
	join   string // as typed: a token, or @FILE
	seeds  []string
	pinned bool
	facts  facts.Config
	every  time.Duration
	pace   gossip.Profile
	ready  func() // called when the node listens for jobs
	tell   supervisor
	metric string // where to show metrics; "": nowhere
	log    *slog.Logger

	auditOptional bool
	outbound      bool
}

func parseNode(in *ucli.Context, c Config, e *env) (nodeOptions, error) {
	p, err := parsePlace(in, c, e.getenv)
	if err != nil {
		return nodeOptions{}, err
	}
	o := nodeOptions{ready: func() {}, tell: systemd(), place: p, join: in.String(flagJoin), seeds: c.Node.Seeds, pinned: c.Node.Pinned || in.Bool(flagPinned), every: c.Node.FactsInterval}
	if in.IsSet(flagSeed) {
		o.seeds = in.StringSlice(flagSeed)
	}
	for _, s := range o.seeds {
		if err := checkAddress(s); err != nil {
			return o, usagef("--seed: %w", err)
		}
	}
	o.auditOptional, o.outbound = c.Node.AuditOptional, c.Node.Outbound
	if o.metric = pick(in, flagMetrics, c.Node.Metrics); o.metric != "" || in.IsSet(flagMetrics) {
		if err := metrics.Check(o.metric); err != nil {
			return o, usagef("--metrics: %w", err)
		}
	}
	if o.every == 0 {
		o.every = factsEvery
	}
	o.log, err = nodeLog(e.stderr, pick(in, flagLogLevel, c.Node.LogLevel))
	o.facts = facts.Config{Dirs: append(facts.DefaultDirs(), c.Node.FactsDirs...), ClassFiles: facts.DefaultClassFiles()}
	return o, err
}

func nodeLog(w io.Writer, name string) (*slog.Logger, error) {
	var level slog.Level
	if name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, usagef("--log-level: %q is not one of debug, info, warn, error", name)
		}
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

// startNode admits the host if it is in no fleet yet, and runs the agent until ctx ends.
func (e *env) startNode(ctx context.Context, o nodeOptions) error {
	dir, err := node.OpenDataDir(o.place.data)
	if err != nil {
		return faultf("%w", err)
	}
	defer dir.Close()
	o.log = o.log.With(logkey.Host, nameIn(dir, o.place.name))
	o.facts.Log = o.log
	if err := e.admit(ctx, dir, o); err != nil {
		return err
	}
	var n *node.Node
	runner, err := detachedRunner(o.place.data, func() string { return n.Name() }, o.log)
	if err != nil {
		return faultf("%w", err)
	}
	n, err = node.New(node.Config{
		Dir: dir, Bind: o.place.listen, Advertise: o.place.advertised(),
		GossipPort: o.place.gossipPort, BrokerPort: o.place.brokerPort, RoutePort: o.place.routePort,
		Seeds: o.seeds, Pinned: o.pinned, Facts: o.facts, FactsEvery: o.every,
		Policy: policyPath, AuditOptional: o.auditOptional, Detached: runner, Outbound: o.outbound,
		Plugins:    func(h plugins.Host) (*plugins.Set, error) { return plugins.Builtin(h, o.log) },
		Configured: o.place.nameNow, Version: Version(), Boot: boot(), Log: o.log,
		Profile: o.pace, Metrics: o.metric,
		Ready: func() { o.log.Info("ready", logkey.Name, n.Name()); o.tell.ready(); o.ready() },
	})
	if err != nil {
		return faultf("%w", err)
	}
	if n.Name() != o.place.name {
		o.log.Warn("this host is configured with another name than it joined with; the name it joined with counts; to change it: fleet node rename NAME",
			logkey.Name, n.Name(), logkey.Configured, o.place.name)
	}
	return o.tell.during(ctx, n.Health, func() error { return n.Run(ctx) })
}

// nameIn is the name that this host has in its fleet, or is to have.
func nameIn(dir *node.DataDir, configured string) string {
	m, err := dir.Load()
	if err != nil {
		return configured
	}
	certificate, err := identity.OpenChain(m.Root, m.Chain, time.Now())
	if err != nil {
		return configured
	}
	return certificate.Own().Name
}

// rejoinTime bounds an attempt to admit again a host that may go on as it is.
const rejoinTime = 30 * time.Second

// admit lets this host in with the token it was given, unless it is in already. A token that was made after that admits it
// again, with the key and the name it has: its certificate may have run out, or be from before a rotation.
func (e *env) admit(ctx context.Context, dir *node.DataDir, o nodeOptions) error {
	was, err := dir.Load()
	in := err == nil
	if err != nil && !errors.Is(err, node.ErrNotAdmitted) {
		return faultf("%w", err)
	}
	text, from, err := findToken(o.join, e.getenv)
	if err != nil {
		return err
	}
	if text == "" && in {
		return nil
	}
	if text == "" {
		return usagef("this host is not in a fleet yet: %s is empty", o.place.data).with(hintJoin)
	}
	token, err := identity.ParseToken(text)
	if err != nil {
		return usagef("%s: %w", from, err)
	}
	if in && !token.Root.Same(was.Root) {
		return usagef("%s: the token belongs to another fleet than this host", from).with("use another directory for another fleet: --data DIR")
	}
	if in && !token.Record.Created.After(was.Admitted) {
		return removeToken(from) // left over: it let this host in
	}
	if from == "--"+flagJoin {
		o.log.Warn("every user of this host can read the token in the process list; use --join @FILE")
	}
	if in {
		limited, cancel := context.WithTimeout(ctx, rejoinTime)
		defer cancel()
		ctx = limited
	}
	if _, err := node.Join(ctx, dir, token, o.place.name, o.log); err != nil && in {
		o.log.Warn("readmission failed; keeping the current identity", logkey.Error, err)
		return nil
	} else if err != nil {
		return faultf("%s: %w", from, err)
	}
	return removeToken(from)
}

// removeToken removes a token that has served, if it lies where only fleet looks.
func removeToken(from string) error {
	if from != joinPath {
		return nil
	}
	return os.Remove(joinPath)
}

// findToken returns the token's text and where it came from; no text means there is none.
func findToken(join string, getenv func(string) string) (text, from string, err error) {
	switch file, isFile := strings.CutPrefix(join, "@"); {
	case isFile:
		text, err = identity.ReadSecretFile(file)
		if err != nil {
			return "", file, usagef("read the token: %w", err)
		}
		return text, file, nil
	case join != "":
		return join, "--" + flagJoin, nil
	case getenv(envJoin) != "":
		text := getenv(envJoin)
		os.Unsetenv(envJoin) // what this process starts has no use for it
		return text, envJoin, nil
	}
	text, err = identity.ReadSecretFile(joinPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", joinPath, usagef("read the token: %w", err)
	}
	return text, joinPath, nil
}

// boot is how long this machine has run: as the kernel says now, and from then on by the clock that nobody sets.
func boot() journal.Boot {
	raw, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return journal.Boot{}
	}
	first, _, _ := strings.Cut(string(raw), " ")
	up, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return journal.Boot{}
	}
	read := time.Now()
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return journal.Boot{ID: strings.TrimSpace(string(id)), Up: func() time.Duration { return time.Duration(up*float64(time.Second)) + time.Since(read) }}
}

func setMetrics(to *string, v any) error {
	s, _ := v.(string)
	if err := metrics.Check(s); err != nil {
		return err
	}
	*to = s
	return nil
}
