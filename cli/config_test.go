package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestConfigTakesEveryKey(t *testing.T) {
	const text = `
home = "/root/fleet"
key = "agent:ann"
brokers = ["10.0.0.1:7421", "[::1]:7421"]
timeout = 2.5
output = "yaml"
[node]
data = "/d"
name = "web1"
listen = "0.0.0.0"
advertise = "10.0.0.1"
broker_port = 1
route_port = 2
gossip_port = 3
seeds = ["a:1"]
pinned = true
gossip = false
facts_dirs = ["/f"]
facts_interval = "5m"
log_level = "debug"
audit_required = false
metrics = "127.0.0.1:9095"
`
	var c Config
	if err := parseConfig(&c, "f", []byte(text)); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Home: "/root/fleet", Key: "agent:ann", Brokers: []string{"10.0.0.1:7421", "[::1]:7421"}, Timeout: 2500 * time.Millisecond, Output: "yaml",
		Node: NodeConfig{
			Data: "/d", Name: "web1", Listen: "0.0.0.0", Advertise: "10.0.0.1", BrokerPort: 1, RoutePort: 2, GossipPort: 3,
			Seeds: []string{"a:1"}, Pinned: true, Outbound: true, FactsDirs: []string{"/f"}, FactsInterval: 5 * time.Minute, LogLevel: "debug", AuditOptional: true, Metrics: "127.0.0.1:9095",
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if got, have := strings.Count(text, "="), len(keys()); got != have {
		t.Errorf("%d keys are tested, there are %d", got, have)
	}
}

func TestConfigFaultsHaveLines(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", "\nhmoe = \"x\"", `f:2: unknown key "hmoe"; did you mean home?`},
		{"unknown in a table", "[node]\n\nseed = [\"a:1\"]", `f:3: unknown key "node.seed"; did you mean node.seeds?`},
		{"dotted", "node.pinnd = true", `f:1: unknown key "node.pinnd"; did you mean node.pinned?`},
		{"type", "home = 3", "f:1: home: must be text in quotes, and not empty"},
		{"empty", "home = ''", "f:1: home: must be text in quotes, and not empty"},
		{"port", "[node]\nbroker_port = 0", "f:2: node.broker_port: must be a port, from 1 to 65535"},
		{"list", "[node]\nfacts_dirs = [1]", "f:2: node.facts_dirs: must be an array of text"},
		{"no table", "node = 1", "f:1: unknown key \"node\""},
		{"twice", "home = 'a'\nhome = 'b'", "f:2: Key 'home' has already been defined."},
		{"array of tables", "[[node]]\nname = 'a'", "f:1: unknown key \"node\""},
		{"level", "[node]\nlog_level = 'loud'", "f:2: node.log_level: must be one of debug, info, warn, error"},
		{"inline table", "home = 'a'\nnode = { pinned = true, pinnd = true }", `f:2: unknown key "node.pinnd"; did you mean node.pinned?`},
		{"quoted", "\n\"ho.me\" = 1", `f:2: unknown key "ho.me"; did you mean home?`},
		{"unknown table", "\n[other]\nhome = 'a'\nx = 1", `f:2: unknown key "other"`},
		{"a text that looks like a key", "home = \"\"\"\nhmoe = 1\n\"\"\"\nhmoe = 1", `f:4: unknown key "hmoe"`},
		{"both", "node.name = 3\nhmoe = 1", "f:1: node.name: must be text in quotes, and not empty\nf:2: unknown key \"hmoe\""},
		{"negative", "timeout = -1", `f:1: timeout: "-1" must be greater than zero`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Config
			err := parseConfig(&c, "f", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestConfigOrder(t *testing.T) {
	home := t.TempDir()
	vars := map[string]string{"HOME": home}
	getenv := func(n string) string { return vars[n] }
	c, err := loadConfig("", getenv)
	if err != nil || c.Home != filepath.Join(home, ".config", "fleet") {
		t.Fatalf("without any file: %+v, %v", c, err)
	}
	user := filepath.Join(home, ".config", "fleet", "config.toml")
	if err := os.MkdirAll(filepath.Dir(user), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(user, []byte("home = '/u'\ntimeout = 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = loadConfig("", getenv); err != nil || c.Home != "/u" || c.Timeout != 3*time.Second {
		t.Errorf("the user's file: %+v, %v", c, err)
	}
	vars[envHome], vars[envBrokers] = "/e", "a:1, b:2"
	if c, err = loadConfig("", getenv); err != nil || c.Home != "/e" || len(c.Brokers) != 2 || c.Timeout != 3*time.Second {
		t.Errorf("the environment: %+v, %v", c, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("home = '/a'\n[node]\npinned = true\nseeds = ['a:1']")
	f.Add("timeout = 1e400")
	f.Add("node.x.y = 1\n[[node]]")
	f.Add("brokers = [[]]\n[a.b.c]")
	f.Fuzz(func(t *testing.T, text string) {
		var c Config
		err := parseConfig(&c, "f", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if c.Timeout < 0 || c.Timeout > longestTime || c.Node.BrokerPort < 0 || c.Node.BrokerPort > 65535 {
			t.Errorf("out of bounds: %+v", c)
		}
		for _, b := range c.Brokers {
			if checkAddress(b) != nil {
				t.Errorf("not an address: %q", b)
			}
		}
	})
}

// TestAgentRefusesOthersConfig: a user's own commands may read any file, the agent only what nobody else could have written.
func TestAgentRefusesOthersConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.toml")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, getenv := range []func(string) string{func(string) string { return "" }, func(k string) string {
		return map[string]string{envConfig: file}[k]
	}} {
		flag := file
		if getenv(envConfig) != "" {
			flag = ""
		}
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := trustedConfig(flag, getenv); err != nil {
			t.Errorf("own: %v", err)
		}
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := trustedConfig(flag, getenv); err == nil || !strings.Contains(err.Error(), file+" can be written by others") {
			t.Errorf("got %v, want a refusal that names %s", err, file)
		}
	}
}
