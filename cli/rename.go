package cli

import (
	"context"
	"errors"

	"fleet/identity"
	"fleet/node"

	ucli "github.com/urfave/cli/v2"
)

func renameVerb() verb {
	return verb{
		name: "rename", brief: "give this host another name in the fleet", takes: "NAME", atLeast: 1, atMost: 1,
		about: []string{
			"A host keeps the name that it joined with, also when the machine gets another host name: jobs, roles and the audit log know it by that name. This admits the host again under the new name, with a new join token and its old key. " +
				"The role and labels are those of the new token. The name must not belong to another live host.",
			"Stop the node first, and start it again afterwards. Run this as the node's user (sudo).",
		},
		examples: []example{{"fleet node rename web7 --join @/root/token", "with a token from fleet token create"}},
		flags: []ucli.Flag{
			joinFlag(),
			text(placeOfNode, flagData, "", "`DIR`: the node's data directory (default /var/lib/fleet for root, else ~/.local/state/fleet)"),
			text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
		},
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.renameNode(in) },
	}
}

func joinFlag() ucli.Flag {
	return text(placeOfNode, flagJoin, "", "`@FILE`: the join token for this host")
}

func (e *env) renameNode(in *ucli.Context) error {
	name := in.Args().First()
	if err := identity.CheckHostName(name); err != nil {
		return usagef("%w", err)
	}
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
	text, from, err := findToken(in.String(flagJoin), e.getenv)
	if err != nil {
		return err
	}
	if text == "" {
		return usagef("a new name needs a new join token").with("an admin creates one with fleet token create; then run here: fleet node rename " + name + " --join @FILE")
	}
	token, err := identity.ParseToken(text)
	if err != nil {
		return usagef("%s: %w", from, err)
	}
	dir, err := node.OpenDataDir(data)
	if err != nil {
		return faultf("%w", err).with("stop the node first: systemctl stop fleet-node")
	}
	defer dir.Close()
	was, err := dir.Load()
	if errors.Is(err, node.ErrNotAdmitted) {
		return usagef("this host is not in a fleet yet: %s is empty", data).with("it joins under its name: fleet node --join @FILE --name " + name)
	}
	if err != nil {
		return faultf("%w", err)
	}
	if !token.Root.Same(was.Root) {
		return usagef("%s: the token belongs to another fleet than this host", from)
	}
	ctx, cancel := context.WithTimeout(in.Context, rejoinTime)
	defer cancel()
	if _, err := node.Join(ctx, dir, token, name, newLogger(e, true)); err != nil {
		return faultf("%s: %w", from, err).with("the host keeps its old name")
	}
	e.note("this host is now %s, with the same key; start the node again: systemctl start fleet-node", name)
	return removeToken(from)
}
