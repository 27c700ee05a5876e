package cli

import (
	"path/filepath"
	"strings"
	"time"

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
		name: "token", group: groupBuild, brief: "make tokens that let new hosts in, list and revoke them", takes: "create|list|revoke",
		subverbs: []verb{{
			name: "create", brief: "make a token and print it",
			about: []string{
				"Signs a token with your admin key; nothing is sent, and no broker has to be up. The token is a secret: keep it in files of mode 0600.",
				"A host that comes with it gets the token's role and labels; labels are attested and cannot be overridden by the host's own facts.",
			},
			examples: []example{
				{"fleet token create --role ephemeral --label env=prod --expires 720h", "for an autoscaling group"},
				{"fleet token create --role peer --network 10.0.0.0/8", "for a host that may carry a broker"},
			},
			flags: append([]ucli.Flag{
				text(foundFlags, flagRole, "", "`ROLE`: peer (may carry a broker), member, or ephemeral (a member that is soon forgotten when gone); default member"),
				many(foundFlags, flagLabel, "", "`NAME=VALUE`: attested for each host that comes with it; given again, all of them"),
				many(foundFlags, flagNetwork, "", "`CIDR`: only hosts from there; given again, from any of them"),
				text(foundFlags, flagExpires, "", "`DURATION`: how long it lets hosts in (default 24h)"),
				many(connecting, flagBroker, "", "`HOST:PORT`: a broker, instead of those in the config; given again, any of them"),
				keyFlag(),
				passphraseFileFlag(),
			}, homeFlags()...),
			endings: []ending{endFault},
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
	r := identity.Record{Role: identity.Member, Labels: map[string]string{}, Networks: in.StringSlice(flagNetwork), Created: now, Expires: now.Add(life)}
	if in.IsSet(flagRole) {
		r.Role = identity.Role(in.String(flagRole))
	}
	for _, l := range in.StringSlice(flagLabel) {
		name, value, ok := strings.Cut(l, "=")
		if _, twice := r.Labels[name]; !ok || name == "" || value == "" || twice {
			return usagef("--label: %q is not NAME=VALUE, or stands twice", l)
		}
		r.Labels[name] = value
	}
	c, err := o.config()
	if err != nil {
		return err
	}
	t, err := identity.NewToken(c.Root, c.Key, r, c.Brokers)
	if err != nil {
		return usagef("%w", err)
	}
	if err := keepToken(o.home, t); err != nil {
		return faultf("%w", err) // one that is not listed is not found again when it has to be revoked
	}
	e.note("token %s: role %s, until %s, brokers %s (%s)", t.Record.ID(), r.Role, r.Expires.Format(time.DateTime),
		strings.Join(c.Brokers, " "), filepath.Join(o.home, brokersFile))
	return e.print(t.Text() + "\n")
}
