package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
	"fleet/internal/wire"
	"fleet/plugins"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

// The files in the admin's home directory, as fleet init writes them.
const (
	keyFile     = "admin.key"    // the admin's private key, 0600
	rootFile    = "root.pub"     // what is pinned of the fleet, an identity.Anchor as text
	brokersFile = "brokers"      // HOST:PORT a line, # comments; the admin's own
	seenFile    = "brokers.seen" // the same, kept by fleet: the brokers as they were the last time
)

// maxSeen is how many brokers are remembered from what the mesh says, which is hearsay: a fleet has three, or a few more
// for seconds, and each that is not there costs time at the next start.
const maxSeen = 8

// maxBrokersFile bounds the list of brokers in bytes: a thousand of them.
const maxBrokersFile = 64 << 10

// connection is what it takes to reach the fleet.
type connection struct {
	home    string
	key     string // the key's file, or agent:COMMENT
	keys    *keyring
	brokers []string // empty: those in the home directory's file
	timeout time.Duration
	log     *slog.Logger
	propose *proposal // nil: changes of what the root signs are handed in
}

// parseConnection merges the flags into the config.
func parseConnection(in *ucli.Context, c Config, e *env) (connection, error) {
	o := connection{brokers: c.Brokers, timeout: c.Timeout, log: newLogger(e, in.Bool(flagVerbose)), keys: newKeyring(in, e)}
	var err error
	if o.home, err = homeOf(in, c); err != nil {
		return o, err
	}
	o.keys.missing = hintMissing(o.home, e.getenv)
	o.key = filepath.Join(o.home, keyFile)
	if k := pick(in, flagKey, c.Key); k != "" {
		o.key = k
	}
	if in.IsSet(flagBroker) {
		o.brokers = in.StringSlice(flagBroker)
		for _, b := range o.brokers {
			if err := checkAddress(b); err != nil {
				return o, usagef("--broker: %w", err)
			}
		}
	}
	if in.IsSet(flagTimeout) {
		d, err := parseSeconds(in.String(flagTimeout))
		if err != nil {
			return o, usagef("--timeout: %w", err)
		}
		o.timeout = d
	}
	return o, nil
}

// newLogger tells of the connection's troubles on stderr, if somebody wants to hear of them.
func newLogger(e *env, verbose bool) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// wait is how long live hosts may take: what was asked for, or the action's limit and some time to travel.
func (o connection) wait(limit time.Duration) time.Duration {
	if o.timeout > 0 {
		return o.timeout
	}
	return limit + travelTime
}

// travelTime is what a job and its answer may need on the way, with a broker dying meanwhile.
const travelTime = 10 * time.Second

// connect reads the admin's files and connects.
func connect(ctx context.Context, o connection) (asker, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	conn, err := client.Connect(ctx, c)
	if err != nil {
		return nil, faultf("%w", err).with(hintBrokers(filepath.Join(o.home, brokersFile)))
	}
	return conn, nil
}

func (o connection) config() (client.Config, error) {
	c := client.Config{Brokers: o.brokers, Log: o.log, Declared: declared}
	var err error
	if c.Key, err = o.keys.admin(o.key); err != nil {
		return c, err
	}
	if c.Root, err = o.pinned(); err != nil {
		return c, err
	}
	if err := o.followRules(&c); err != nil {
		return c, err
	}
	if len(c.Brokers) == 0 {
		file := filepath.Join(o.home, brokersFile)
		if c.Brokers, err = readBrokers(file); err != nil {
			return c, faultf("read the list of brokers: %w", err).with(hintBrokers(file))
		}
		o.followBrokers(&c)
	}
	return c, nil
}

// pinned is what the home directory pins of the fleet.
func (o connection) pinned() (anchor identity.Anchor, err error) {
	text, err := os.ReadFile(filepath.Join(o.home, rootFile))
	if err == nil {
		err = anchor.UnmarshalText([]byte(strings.TrimSpace(string(text))))
	}
	if err != nil {
		return anchor, fileProblem("read what is pinned of the fleet, "+filepath.Join(o.home, rootFile), err, o.keys.missing)
	}
	return anchor, nil
}

// followBrokers adds the brokers that were there the last time, and keeps those that are there this time: the first
// host of a fleet may be gone one day. What cannot be read or kept costs nothing but a warning.
func (o connection) followBrokers(c *client.Config) {
	file := filepath.Join(o.home, seenFile)
	seen, err := readBrokers(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.log.Warn("brokers seen last", logkey.Error, err)
	}
	for _, b := range seen[:min(len(seen), maxSeen)] {
		if !slices.Contains(c.Brokers, b) {
			c.Brokers = append(c.Brokers, b)
		}
	}
	var once sync.Once
	c.Seen = func(now []string) {
		once.Do(func() {
			slices.Sort(now)
			now = now[:min(len(now), maxSeen)]
			if len(now) == 0 || slices.Equal(now, seen) {
				return
			}
			text := "# written by fleet: the brokers as last seen\n" + strings.Join(now, "\n") + "\n"
			if err := atomicfile.Write(file, []byte(text), 0o644); err != nil {
				o.log.Warn("brokers not kept", logkey.Error, err)
			}
		})
	}
}

// followRules adds the newest roster and the revocations that were seen from here, and keeps newer ones: a broker that is stuck
// in the past, or was revoked, is known by them before anything is said to it. What cannot be kept costs a warning, and the next
// command starts from what was known before.
func (o connection) followRules(c *client.Config) error {
	var err error
	if c.Known, err = o.readRules(); err == nil {
		_, _, err = c.Known.Open(c.Root)
	}
	if err != nil {
		return faultf("what this home directory knows of the roster: %w", err).with(fmt.Sprintf("remove %s, %s and %s: they are fetched again from a broker",
			filepath.Join(o.home, recordsFile), filepath.Join(o.home, rosterFile), filepath.Join(o.home, revocationsFile)))
	}
	root := c.Root
	c.Keep = func(now client.Rules) {
		kept, err := o.readRules() // another command may have kept something newer meanwhile
		if err == nil {
			now, err = now.Joined(kept, root)
		}
		var raw []byte
		if err == nil {
			raw, err = wire.Marshal(now.Revocations)
		}
		if err == nil {
			err = errors.Join(
				atomicfile.Write(filepath.Join(o.home, recordsFile), now.Root, 0o644),
				atomicfile.Write(filepath.Join(o.home, rosterFile), now.Roster, 0o644),
				atomicfile.Write(filepath.Join(o.home, revocationsFile), raw, 0o644))
		}
		if err != nil {
			o.log.Warn("the roster was not kept", logkey.Error, err)
		}
	}
	return nil
}

// readRules reads what is kept, without verifying it.
func (o connection) readRules() (r client.Rules, err error) {
	for name, to := range map[string]*[]byte{recordsFile: &r.Root, rosterFile: &r.Roster} {
		if *to, err = os.ReadFile(filepath.Join(o.home, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return client.Rules{}, err
		}
	}
	raw, err := os.ReadFile(filepath.Join(o.home, revocationsFile))
	if err == nil {
		return r, wire.Unmarshal(raw, &r.Revocations)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, err
}

// fileProblem is an error about a file of the home directory; missing is the hint where it is not there.
func fileProblem(what string, err error, missing string) error {
	p := faultf("%s: %w", what, err)
	if errors.Is(err, fs.ErrNotExist) {
		p.with(missing)
	}
	return p
}

func readBrokers(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(data) > maxBrokersFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxBrokersFile)
	}
	var list []string
	number := 0
	for l := range strings.Lines(strings.TrimPrefix(string(data), "\uFEFF")) {
		number++
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if err := checkAddress(l); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		list = append(list, l)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s names no broker", file)
	}
	return list, nil
}

// declarations are what this machine knows of plugins without asking a host.
func declarations() []plugin.Declaration { return plugins.BuiltinDeclarations() }

// declared is what every job from here says of its action.
func declared(pluginName, action string) (plugin.Action, bool) {
	return plugin.Find(declarations(), pluginName, action)
}
