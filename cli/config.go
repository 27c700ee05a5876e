package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/internal/trustedfile"

	"github.com/BurntSushi/toml"
)

// Config is what the files and the environment say. A flag goes before FLEET_*, which goes before the user's file, which
// goes before the machine's. An unknown key or a bad value anywhere is an error with file and line: a config that is not
// understood is not half used.
type Config struct {
	Home    string        // directory of the admin's key and the fleet's files; default ~/.config/fleet, "" where the user has no home
	Key     string        // the admin's key: a file, or agent:COMMENT; "": admin.key in Home
	Brokers []string      // HOST:PORT of brokers; empty: those in the home directory's file
	Timeout time.Duration // how long to wait for hosts that are there; 0: what the plugin says
	Output  string        // table, json, jsonl, yaml, csv or name; "": table
	Node    NodeConfig
}

// NodeConfig is the agent's part, the table [node]. Its values are the agent's to check; zero means its default.
type NodeConfig struct {
	Data          string        // directory of the agent's key, documents and journal
	Name          string        // the host's name in the fleet
	Listen        string        // address to listen on
	Advertise     string        // address that others reach this host under
	BrokerPort    int           // of the embedded broker, for admins and nodes
	RoutePort     int           // of the embedded broker, for other brokers
	GossipPort    int           // TCP and UDP
	Seeds         []string      // HOST:PORT of hosts to find the fleet by
	Pinned        bool          // runs a broker before others do
	FactsDirs     []string      // directories with custom facts, beside the usual ones
	FactsInterval time.Duration // how often facts are collected
	LogLevel      string        // debug, info, warn or error
	Metrics       string        // where metrics and health are shown: a loopback ADDRESS:PORT or unix:/PATH; "": nowhere
	Outbound      bool          // does not gossip; gossip = false in the file
	AuditOptional bool          // changes run also when they cannot be audited; audit_required = false in the file
}

const (
	envHome    = "FLEET_HOME"
	envKey     = "FLEET_KEY" // where the key is, not the key
	envBrokers = "FLEET_BROKERS"
	envTimeout = "FLEET_TIMEOUT"
	envOutput  = "FLEET_OUTPUT"
	envConfig  = "FLEET_CONFIG"
)

// machineConfig is read first; what the user's file says goes before it.
const machineConfig = "/etc/fleet/fleet.toml"

// maxConfig bounds a config file in bytes; real ones have a screen.
const maxConfig = 1 << 20

// key is one key a config file may have, and how it is taken over.
type key struct {
	name string
	env  string // "": not from the environment
	set  func(*Config, any) error
}

// keys are all keys there are.
func keys() []key {
	return []key{
		{"home", envHome, func(c *Config, v any) error { return setText(&c.Home, v) }},
		{"key", envKey, func(c *Config, v any) error { return setText(&c.Key, v) }},
		{"brokers", envBrokers, func(c *Config, v any) error { return setAddresses(&c.Brokers, v) }},
		{"timeout", envTimeout, func(c *Config, v any) error { return setDuration(&c.Timeout, v) }},
		{"output", envOutput, func(c *Config, v any) error { return setFormat(&c.Output, v) }},
		{"node.data", "", func(c *Config, v any) error { return setText(&c.Node.Data, v) }},
		{"node.name", "", func(c *Config, v any) error { return setText(&c.Node.Name, v) }},
		{"node.listen", "", func(c *Config, v any) error { return setText(&c.Node.Listen, v) }},
		{"node.advertise", "", func(c *Config, v any) error { return setText(&c.Node.Advertise, v) }},
		{"node.broker_port", "", func(c *Config, v any) error { return setPort(&c.Node.BrokerPort, v) }},
		{"node.route_port", "", func(c *Config, v any) error { return setPort(&c.Node.RoutePort, v) }},
		{"node.gossip_port", "", func(c *Config, v any) error { return setPort(&c.Node.GossipPort, v) }},
		{"node.seeds", "", func(c *Config, v any) error { return setAddresses(&c.Node.Seeds, v) }},
		{"node.gossip", "", func(c *Config, v any) error {
			gossip := true
			err := setBool(&gossip, v)
			c.Node.Outbound = !gossip
			return err
		}},
		{"node.pinned", "", func(c *Config, v any) error { return setBool(&c.Node.Pinned, v) }},
		{"node.facts_dirs", "", func(c *Config, v any) error { return setList(&c.Node.FactsDirs, v) }},
		{"node.facts_interval", "", func(c *Config, v any) error { return setDuration(&c.Node.FactsInterval, v) }},
		{"node.audit_required", "", func(c *Config, v any) error {
			required := true
			err := setBool(&required, v)
			c.Node.AuditOptional = !required
			return err
		}},
		{"node.metrics", "", func(c *Config, v any) error { return setMetrics(&c.Node.Metrics, v) }},
		{"node.log_level", "", func(c *Config, v any) error {
			return setChoice(&c.Node.LogLevel, v, "debug", "info", "warn", "error")
		}},
	}
}

// loadConfig reads the files and the environment. file is from --config; then it, or FLEET_CONFIG, is the only file and
// must be there.
func loadConfig(file string, getenv func(string) string) (Config, error) {
	var c Config
	if file == "" {
		file = getenv(envConfig)
	}
	if file != "" {
		if err := readConfig(&c, file); err != nil {
			return c, err
		}
	} else {
		// What this user may not read of the machine's is not meant for this user.
		if err := readConfig(&c, machineConfig); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return c, err
		}
		if dir := userConfigDir(getenv); dir != "" {
			if err := readConfig(&c, filepath.Join(dir, "config.toml")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return c, err
			}
		}
	}
	for _, k := range keys() {
		if k.env == "" || getenv(k.env) == "" {
			continue
		}
		if err := k.set(&c, getenv(k.env)); err != nil {
			return c, usagef("%s: %w", k.env, err)
		}
	}
	if c.Home == "" {
		c.Home = userConfigDir(getenv)
	}
	return c, nil
}

// trustedConfig refuses, for the agent, config files that others than root and its user could have written: they say where
// its keys lie, whom it asks, and which facts it has. A file that does not exist is loadConfig's to judge.
func trustedConfig(file string, getenv func(string) string) error {
	files := []string{cmp.Or(file, getenv(envConfig))}
	if files[0] == "" {
		files[0] = machineConfig
		if dir := userConfigDir(getenv); dir != "" {
			files = append(files, filepath.Join(dir, "config.toml"))
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			continue
		}
		if _, err := trustedfile.Resolve(f); err != nil {
			return usagef("the config %s is not used: %w", f, err)
		}
	}
	return nil
}

func readConfig(c *Config, file string) error {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxConfig {
		err = fmt.Errorf("larger than %d bytes", maxConfig)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return usagef("config %s: %w", file, err)
	}
	return parseConfig(c, file, data)
}

// parseConfig takes over what data says. It names all faults of the file, one a line.
func parseConfig(c *Config, file string, data []byte) error {
	values := map[string]toml.Primitive{}
	md, err := toml.Decode(string(data), &values)
	if err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return usagef("%s:%d: %s", file, max(1, pe.Position.Line), pe.Message)
		}
		return usagef("%s: %w", file, err)
	}
	return joinFaults(file, takeTable(c, md, "", values))
}

// takeTable takes over the keys of the file, or of its table [node] with that as the prefix.
func takeTable(c *Config, md toml.MetaData, prefix string, values map[string]toml.Primitive) (faults []toml.ParseError) {
	known := keys()
	for name, value := range values {
		var table map[string]toml.Primitive
		if prefix == "" && name == "node" && md.PrimitiveDecode(value, &table) == nil && table != nil { // nil: it is no table
			faults = append(faults, takeTable(c, md, "node.", table)...)
			continue
		}
		name = prefix + name
		err := md.PrimitiveDecode(value, taking(func(v any) error {
			i := slices.IndexFunc(known, func(k key) bool { return k.name == name })
			if i < 0 {
				return fmt.Errorf("unknown key %q%s", name, nearestKey(name, known))
			}
			if err := known[i].set(c, v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}))
		if fault, ok := errors.AsType[toml.ParseError](err); ok {
			faults = append(faults, fault)
		}
	}
	return faults
}

// taking gets a value from the parser, which adds the place in the file to the error: MetaData itself does not tell places.
type taking func(v any) error

func (t taking) UnmarshalTOML(v any) error { return t(v) }

func joinFaults(file string, faults []toml.ParseError) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortFunc(faults, func(a, b toml.ParseError) int {
		return cmp.Or(a.Position.Line-b.Position.Line, strings.Compare(a.Message, b.Message))
	})
	var errs []error
	for _, f := range faults {
		errs = append(errs, fmt.Errorf("%s:%d: %s", file, f.Position.Line, f.Message))
	}
	return usagef("%w", errors.Join(errs...))
}

func nearestKey(name string, known []key) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
	}
	if h := hintNearest(name, names); h != "" {
		return "; " + h
	}
	return "; the keys are " + strings.Join(names, ", ")
}

func setText(to *string, v any) error {
	s, ok := v.(string)
	if !ok || strings.TrimSpace(s) == "" {
		return errors.New("must be text in quotes, and not empty")
	}
	*to = s
	return nil
}

func setChoice(to *string, v any, choices ...string) error {
	s, ok := v.(string)
	if !ok || !slices.Contains(choices, s) {
		return fmt.Errorf("must be one of %s", strings.Join(choices, ", "))
	}
	*to = s
	return nil
}

func setFormat(to *string, v any) error {
	s, _ := v.(string)
	if _, err := report.ParseFormat(s); err != nil {
		return err
	}
	*to = s
	return nil
}

func setBool(to *bool, v any) error {
	b, ok := v.(bool)
	if !ok {
		return errors.New("must be true or false")
	}
	*to = b
	return nil
}

func setPort(to *int, v any) error {
	n, ok := v.(int64)
	if !ok || n < 1 || n > 65535 {
		return errors.New("must be a port, from 1 to 65535")
	}
	*to = int(n)
	return nil
}

// setDuration takes whole or broken seconds, or text with a unit.
func setDuration(to *time.Duration, v any) error {
	var s string
	switch v := v.(type) {
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		s = v
	default:
		return errors.New("must be seconds, or text such as \"30s\"")
	}
	d, err := parseSeconds(s)
	if err != nil {
		return err
	}
	*to = d
	return nil
}

// setList takes an array of text; from the environment, a comma list.
func setList(to *[]string, v any) error {
	var list []string
	switch v := v.(type) {
	case string:
		for s := range strings.SplitSeq(v, ",") {
			list = append(list, strings.TrimSpace(s))
		}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return errors.New("must be an array of text")
			}
			list = append(list, s)
		}
	default:
		return errors.New("must be an array of text")
	}
	if slices.Contains(list, "") {
		return errors.New("has an empty entry")
	}
	*to = list
	return nil
}

func setAddresses(to *[]string, v any) error {
	var list []string
	if err := setList(&list, v); err != nil {
		return err
	}
	for _, s := range list {
		if err := checkAddress(s); err != nil {
			return err
		}
	}
	*to = list
	return nil
}

// checkAddress verifies HOST:PORT.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not HOST:PORT", s)
	}
	if strings.ContainsRune(host, '%') {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q is not an IPv6 address with a zone, such as fe80::1%%eth0", host)
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535", s)
	}
	return nil
}
