package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"fleet/node/detached"
	"fleet/plugins"

	ucli "github.com/urfave/cli/v2"
)

// detachedDir is where, in a node's directory, actions are that run in processes of their own.
const detachedDir = "jobs"

func actVerb() verb {
	return verb{
		name: "act", brief: "run one action prepared by the agent (internal)", takes: "DIR", atLeast: 1, atMost: 1,
		about: []string{
			"Started by the agent, not by people. A change to packages or services runs in a process of its own, so that it continues when the agent stops; the next agent reports how it ended. " +
				"DIR is the job's directory inside the node's data directory. The action runs at most once, even if this is called again.",
		},
		examples: []example{{"systemctl status 'fleet-job-*'", "the changes running on this host now"}},
		endings:  []ending{endFault},
		do: func(e *env, in *ucli.Context) error {
			set, err := plugins.WithoutNode(slog.New(slog.NewTextHandler(e.stderr, nil)))
			if err != nil {
				return faultf("%w", err)
			}
			if err := detached.Act(in.Context, in.Args().First(), set.Get); err != nil {
				return faultf("%w", err)
			}
			return nil
		},
	}
}

// detachedRunner starts this program anew for each such action.
func detachedRunner(data string, log *slog.Logger) (*detached.Runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the path of this program: %w", err)
	}
	jobs, err := filepath.Abs(filepath.Join(data, detachedDir))
	if err != nil {
		return nil, err
	}
	return detached.New(jobs, detached.System(log), func(id string) []string { return []string{self, "node", "act", filepath.Join(jobs, id)} }, log)
}
