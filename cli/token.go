package cli

import (
	"path/filepath"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagRole    = "role"
	flagLabel   = "label"
	flagNetwork = "network"
)

func tokenVerb() verb {
	return verb{
		name: "token", group: groupBuild, brief: "create, list and revoke the join tokens that admit new hosts", takes: "create|list|revoke",
		subverbs: []verb{{
			name: "create", brief: "create a join token and print it",
			about: []string{
				"Signs a join token with your admin key. Nothing is sent and no broker is needed. The token is secret: keep it in files with mode 0600.",
				"Your roles must allow it (token.member, token.ephemeral, token.peer; see fleet role allow --help) when a host joins. A token that they do not allow now is not created.",
				"A host admitted with the token gets its role and labels. Labels are attested: the host's own facts cannot override them.",
			},
			examples: []example{
				{"fleet token create --role ephemeral --label env=prod --expires 30d", "for an autoscaling group"},
				{"fleet token create --role peer --network 10.0.0.0/8", "for a host that may run a broker"},
			},
			flags: append([]ucli.Flag{
				text(foundFlags, flagRole, "", "`ROLE`: peer (may run a broker), member, or ephemeral (a member that is forgotten soon after it is gone); default member"),
				many(foundFlags, flagLabel, "", "`NAME=VALUE`: a label for every host admitted with the token; repeat for several"),
				many(foundFlags, flagNetwork, "", "`CIDR`: admit only hosts from this network; repeat to allow several"),
				text(foundFlags, flagExpires, "", "`DURATION`: how long the token works (default 24h)"),
				many(connecting, flagBroker, "", "`HOST:PORT`: a broker to use instead of the configured ones; repeat for several"),
				keyFlag(),
				passphraseFileFlag(),
			}, homeFlags()...),
			endings: []ending{endFault, endRefused},
			do:      func(e *env, in *ucli.Context) error { return e.createToken(in) },
		}, listTokensVerb(), revokeTokenVerb()},
	}
}

func (e *env) createToken(in *ucli.Context) error {
	config, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	o, err := parseConnection(in, config, e)
	if err != nil {
		return err
	}
	life, err := parseLife(in, firstTokenLife)
	if err != nil {
		return err
	}
	now := time.Now()
	r := identity.Record{Role: identity.Member, Networks: in.StringSlice(flagNetwork), Created: now, Expires: now.Add(life)}
	if in.IsSet(flagRole) {
		r.Role = identity.Role(in.String(flagRole))
	}
	if r.Labels, err = parseLabels("--label: ", in.StringSlice(flagLabel)); err != nil {
		return err
	}
	c, err := o.config()
	if err != nil {
		return err
	}
	if err := e.mayCreate(in.Context, o, c, r); err != nil {
		return err
	}
	root, known, err := c.Known.Open(c.Root)
	if err != nil {
		return faultf("%w", err)
	}
	r.Roster = known.Version // whoever joins takes no older one
	t, err := identity.NewToken(newest(c.Root, root), c.Key, r, c.Brokers)
	if err != nil {
		return usagef("%w", err)
	}
	if err := keepToken(o.home, t); err != nil {
		return faultf("%w", err) // one that is not listed is not found again when it has to be revoked
	}
	e.note("token %s: role %s, until %s, brokers %s (%s)", t.Record.ID(), r.Role, r.Expires.Format(report.Stamp),
		strings.Join(c.Brokers, " "), filepath.Join(o.home, brokersFile))
	return e.print(t.Text() + "\n")
}
