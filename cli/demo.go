package cli

import (
	"context"
	"net"
	"net/netip"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"fleet/cli/demo"
	"fleet/facts"
	"fleet/gossip"

	ucli "github.com/urfave/cli/v2"
)

const flagOnce = "once"

func demoVerb() verb {
	return verb{
		name: "demo", group: groupLearn, brief: "run a demo fleet of five nodes on this machine", atMost: 0,
		about: []string{
			"Creates a fleet in a temporary directory, starts five nodes on loopback, runs some read-only commands, and keeps running with lines to paste into another terminal. Ctrl-C stops it; nothing is left behind.",
		},
		examples: []example{{"fleet demo --once", "stop after the commands"}},
		flags:    []ucli.Flag{toggle(foundFlags, flagOnce, "", "end after the commands")},
		endings:  []ending{endFault},
		do: func(e *env, in *ucli.Context) error {
			signal.Ignore(syscall.SIGPIPE) // `fleet demo | head` must clean up too: a write fails then instead
			return demo.Run(in.Context, in.Bool(flagOnce), e.demonstration())
		},
	}
}

// demonstration is what the demo needs of the command line.
func (e *env) demonstration() demo.Env {
	return demo.Env{
		Stdout: e.stdout, Stderr: e.stderr, Note: e.note,
		Found: func(home, data, name string) (uint16, error) {
			at, err := foundLocally("demo", home, data, name)
			return at.brokerPort, err
		},
		Node: func(ctx context.Context, n demo.Node, ready func()) error {
			at := localPlace(n.Data, n.Name)
			at.brokerPort = n.Port
			return e.startNode(ctx, nodeOptions{
				place: at, join: "@" + filepath.Join(n.Home, tokenFile), pace: gossip.Loopback, log: n.Log, every: factsEvery, ready: ready,
				facts: facts.Config{Dirs: append(facts.DefaultDirs(), n.Facts), ClassFiles: facts.DefaultClassFiles()},
			})
		},
		Command: func(ctx context.Context, home string, words []string) (int, string) {
			c := *e
			c.stdin, c.canAsk = nil, false
			c.getenv = func(name string) string {
				if name == envHome {
					return home
				}
				return e.getenv(name)
			}
			code := run(ctx, &c, words)
			return code, meaningOf(code)
		},
	}
}

// meaningOf is what an exit code says.
func meaningOf(code int) string {
	for e := endFine; e <= endInterrupted; e++ {
		if e.code() == code {
			return e.meaning()
		}
	}
	return "unknown"
}

// foundLocally creates a fleet on loopback; the broker of its first node gets a free port.
func foundLocally(fleet, home, data, name string) (place, error) {
	at := localPlace(data, name)
	var err error
	if at.brokerPort, err = freePort(); err != nil {
		return at, faultf("%w", err)
	}
	_, err = founding{fleet: fleet, admin: userName(), home: home, place: at, life: time.Hour, now: time.Now(), rootNeeds: 1, rootOf: 1}.run()
	return at, err
}

func localPlace(data, name string) place {
	loopback := netip.MustParseAddr("127.0.0.1")
	return place{data: data, name: name, listen: loopback, advertise: loopback}
}

// freePort finds a port on loopback that was free a moment ago.
func freePort() (uint16, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}
