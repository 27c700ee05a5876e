package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"fleet/internal/logkey"
	"fleet/node/detached"
	"fleet/plugins"

	ucli "github.com/urfave/cli/v2"
)

// detachedDir is where, in a node's directory, actions are that run in processes of their own.
const detachedDir = "jobs"

func actVerb() verb {
	return verb{
		name: "act", brief: "run one action prepared by the agent (internal)", takes: "DIR HOST", atLeast: 2, atMost: 2,
		about: []string{
			"Started by the agent, not by people. A change to packages or services runs in a process of its own, so that it continues when the agent stops; the next agent reports how it ended. " +
				"DIR is the job's directory inside the node's data directory, and HOST the name of this host in the fleet, for the log. The action runs at most once, even if this is called again.",
		},
		examples: []example{{"systemctl status 'fleet-job-*'", "the changes running on this host now"}},
		endings:  []ending{endFault},
		do: func(e *env, in *ucli.Context) error {
			dir, host := in.Args().Get(0), in.Args().Get(1)
			set, err := plugins.WithoutNode(slog.New(slog.NewTextHandler(e.stderr, nil)).With(logkey.Host, host, logkey.Job, filepath.Base(dir)))
			if err != nil {
				return faultf("%w", err)
			}
			if err := detached.Act(in.Context, dir, set.Get); err != nil {
				return faultf("%w", err)
			}
			return nil
		},
	}
}

// detachedRunner starts this program anew for each such action; host is asked then.
func detachedRunner(data string, host func() string, log *slog.Logger) (*detached.Runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the path of this program: %w", err)
	}
	jobs, err := filepath.Abs(filepath.Join(data, detachedDir))
	if err != nil {
		return nil, err
	}
	return detached.New(jobs, detached.System(log), func(id string) []string { return []string{self, "node", "act", filepath.Join(jobs, id), host()} }, log)
}
