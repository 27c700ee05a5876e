package cli

import (
	"errors"
	"io/fs"
	"os"

	"fleet/identity"
	"fleet/internal/trustedfile"
	"fleet/node"

	ucli "github.com/urfave/cli/v2"
)

func adoptRootVerb() verb {
	return verb{
		name: "adopt-root", brief: "go by a new root although the old one did not sign it", takes: "FILE", atLeast: 1, atMost: 1,
		about: []string{
			"For a fleet whose root keys are lost: FILE is what fleet root replace --lost wrote. Stop the agent first. From its next start this host takes its orders from whoever holds the new root's keys, so be sure where FILE comes from. It is refused if others than root, or you, could have written it.",
		},
		examples: []example{{"fleet node adopt-root new-root", "after: systemctl stop fleet-node; then: systemctl start fleet-node"}},
		flags: []ucli.Flag{
			text(placeOfNode, flagData, "", "`DIR`: the node's data directory (default /var/lib/fleet for root, else ~/.local/state/fleet)"),
			text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
		},
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.adoptRoot(in) },
	}
}

func (e *env) adoptRoot(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	data := pick(in, flagData, c.Node.Data)
	if data == "" {
		if data, err = defaultData(e.getenv); err != nil {
			return err
		}
	}
	file := in.Args().First()
	own, err := trustedfile.Resolve(file)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%w", err)
	}
	if err != nil {
		return usagef("others could have written %s: %w", file, err).with("bring it here again, into a folder that only you can write to, such as /root; whoever wrote it would own this host")
	}
	text, err := os.ReadFile(own)
	if err != nil {
		return usagef("%w", err)
	}
	a, root, err := identity.ParseAdoption(string(text))
	if err != nil {
		return usagef("%s: %w", file, err)
	}
	dir, err := node.OpenDataDir(data)
	if err != nil {
		return faultf("%w", err).with("stop the node first: systemctl stop fleet-node")
	}
	defer dir.Close()
	if err := dir.AdoptRoot(a.Anchor, a.Records); err != nil {
		return faultf("%w", err)
	}
	e.note("this host goes by root version %d (%s): %d of %d keys sign; start it again: systemctl start fleet-node",
		root.Version(), a.Anchor.Known.Short(), root.Threshold(), len(root.Keys()))
	return nil
}
