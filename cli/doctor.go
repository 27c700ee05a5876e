package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/node/checkup"

	ucli "github.com/urfave/cli/v2"
)

// doctorWait bounds each attempt over the network, unless -t says otherwise.
const doctorWait = 5 * time.Second

func doctorVerb() verb {
	return verb{
		name: "doctor", group: groupLearn, atMost: 0, brief: "find out why this host cannot join or is cut off",
		about: []string{
			"On a host it checks the data directory and its files, the join token, the certificate, the roster, names, brokers (reachable, under the pinned root, admitted, renewal works), gossip over TCP and UDP, " +
				"its own ports, clock, disk and service. It needs no admin key. On an admin's machine (one with a home directory) it checks the files there and each broker. For each problem it says what to do.",
			"It changes nothing and prints no secrets. It connects with the host's certificate, or with the join token if the host has not joined yet. Run it as the node's user (sudo).",
			"To check the clock, it asks a peer for a renewed certificate, compares the time in it and throws it away; this is accurate to about half a second. With only a token it can just check the " +
				"validity of the broker's certificate, which finds a clock that is off by days. Whether other hosts can reach this one can be seen only from there: fleet status.",
		},
		examples: []example{
			{"sudo fleet doctor", "on the host"},
			{"sudo fleet doctor --join @/root/token", "before the host joins"},
			{"fleet doctor -q", "show only problems"},
		},
		flags: append(append([]ucli.Flag{
			text(placeOfNode, flagJoin, "", "`@FILE`: the join token for this host"),
			many(placeOfNode, flagSeed, "", "`HOST:PORT`: gossip address of another host, in addition to the remembered ones; repeat for several"),
			text(whatToPrint, flagOutput, "o", "`FORMAT`: table, json, jsonl, yaml, csv or name"),
			toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
			toggle(whatToPrint, flagQuiet, "q", "print problems only"),
		}, placeFlags()...), connectionFlags()...),
		endings: []ending{endFault, endFailed, endInterrupted},
		do:      func(e *env, in *ucli.Context) error { return e.doctor(in) },
	}
}

func (e *env) doctor(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	print, err := e.parsePrinting(in, c)
	if err != nil {
		return err
	}
	conn, err := parseConnection(in, c, e)
	if err != nil {
		return err
	}
	host, faults, err := e.parseDoctor(in, c, conn)
	if err != nil {
		return err
	}
	admin := isAdmins(conn.home)
	var found []checkup.Finding
	if !host.Token.Root.IsZero() || len(faults) > 0 || !admin || isNodes(host.Data) {
		found = append(append(found, checkup.Host(in.Context, host)...), faults...)
		found = append(found, unit(in.Context))
	}
	if admin {
		found = append(found, e.adminCheckup(in.Context, conn, host.Wait)...)
	}
	end := endFine
	for _, f := range found {
		if f.State == checkup.Bad {
			end = endFailed
		}
	}
	if in.Context.Err() != nil {
		end = endInterrupted
	}
	out, err := report.Doctor{Findings: found, Exit: end.code()}.Render(print.format, report.View{Quiet: print.quiet})
	if err != nil {
		return faultf("%w", err)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	return ended(end)
}

// parseDoctor reads what a host's checkup needs. A token that cannot be read is a finding, not an error.
func (e *env) parseDoctor(in *ucli.Context, c Config, conn connection) (checkup.Config, []checkup.Finding, error) {
	p, err := parsePlace(in, c, e.getenv)
	if err != nil {
		return checkup.Config{}, nil, err
	}
	h := checkup.Config{
		Data: p.data, Name: p.name, Bind: p.listen, GossipPort: p.gossipPort, BrokerPort: p.brokerPort, RoutePort: p.routePort,
		Seeds: c.Node.Seeds, Outbound: c.Node.Outbound, Wait: doctorWait, Now: time.Now,
	}
	if in.IsSet(flagSeed) {
		h.Seeds = in.StringSlice(flagSeed)
	}
	for _, s := range h.Seeds {
		if err := checkAddress(s); err != nil {
			return h, nil, usagef("--seed: %w", err)
		}
	}
	if conn.timeout > 0 {
		h.Wait = conn.timeout
	}
	text, from, err := findToken(in.String(flagJoin), e.getenv)
	if err == nil && text != "" {
		h.Token, err = identity.ParseToken(text)
	}
	if err != nil {
		do := "copy the whole token into a file with mode 0600, or have an admin create a new one: fleet token create"
		return h, []checkup.Finding{{Check: "token file", State: checkup.Bad, Says: fmt.Sprintf("%s: %v", from, err), Do: do}}, nil
	}
	return h, nil, nil
}

// isNodes reports whether the directory is, or may be, a node's.
func isNodes(data string) bool {
	_, err := os.Stat(data)
	return !errors.Is(err, fs.ErrNotExist)
}

// isAdmins reports whether somebody steers a fleet from this home directory.
func isAdmins(home string) bool {
	for _, name := range []string{rootFile, keyFile} {
		if _, err := os.Stat(filepath.Join(home, name)); err == nil {
			return true
		}
	}
	return false
}

// unit asks systemd for the service.
func unit(ctx context.Context) checkup.Finding {
	f := checkup.Finding{Check: "service", State: checkup.Skipped}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		f.Says = "this host does not run systemd"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	out, err := askSystemd(ctx, "show", "--property=LoadState,ActiveState,SubState,NRestarts,StatusText", unitName)
	if err != nil {
		f.Says = "systemctl: " + err.Error()
		return f
	}
	return unitFinding(out)
}

// unitFinding judges what `systemctl show` said.
func unitFinding(shown string) checkup.Finding {
	f := checkup.Finding{Check: "service", State: checkup.Bad}
	is := map[string]string{}
	for l := range strings.Lines(shown) {
		if name, value, ok := strings.Cut(strings.TrimSpace(l), "="); ok {
			is[name] = value
		}
	}
	text := fmt.Sprintf("%s is %s (%s), restarted %s times", unitName, is["ActiveState"], is["SubState"], is["NRestarts"])
	if is["StatusText"] != "" {
		text += ": " + is["StatusText"]
	}
	switch {
	case is["LoadState"] == "not-found":
		f.State, f.Says, f.Do = checkup.Skipped, unitName+" is not installed", "to install it: fleet node install --join-file FILE (not needed if something else starts fleet node here)"
	case is["ActiveState"] == "active":
		f.State, f.Says = checkup.OK, text
	default:
		f.Says, f.Do = text, "to see why: journalctl -u fleet-node -n 30"
	}
	return f
}

// adminCheckup looks at an admin's home directory and at each broker that it names.
func (e *env) adminCheckup(ctx context.Context, o connection, wait time.Duration) []checkup.Finding {
	var found []checkup.Finding
	add := func(check string, err error, says, do string) bool {
		f := checkup.Finding{Check: check, State: checkup.OK, Says: says}
		if err != nil {
			f.State, f.Says, f.Do = checkup.Bad, err.Error(), do
		}
		found = append(found, f)
		return err == nil
	}
	info, err := os.Stat(o.home)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("other users can read %s (mode %04o)", o.home, info.Mode().Perm())
	}
	add("home", err, o.home, "chmod 700 "+o.home)
	root := o.fleetID()
	if root == "" {
		err = fmt.Errorf("%s is not a root key", filepath.Join(o.home, rootFile))
	} else {
		err = nil
	}
	ok := add("root", err, "the fleet "+string(root)+" is pinned", "run the line that an admin's fleet admin add printed: fleet admin accept fleet-info1.…")
	key, err := o.keys.admin(o.key)
	who := ""
	if err == nil {
		who = string(key.Public().ID())
	}
	ok = add("key", err, "the admin key "+who+", from "+o.key, strings.Join(append(asProblem(err).hints, "or create one: fleet admin keygen NAME"), "; ")) && ok
	c, err := o.config()
	if !ok {
		return found
	}
	do := hintBrokers(filepath.Join(o.home, brokersFile))
	if err != nil && len(asProblem(err).hints) > 0 {
		do = strings.Join(asProblem(err).hints, "; ")
	}
	if !add("brokers", err, fmt.Sprintf("%d are known", len(c.Brokers)), do) {
		return found
	}
	return append(found, tryBrokers(ctx, c, wait)...)
}

// tryBrokers connects to each broker by itself.
func tryBrokers(ctx context.Context, c client.Config, wait time.Duration) []checkup.Finding {
	var found []checkup.Finding
	c.Seen, c.Keep = nil, nil // a checkup changes nothing
	for _, addr := range c.Brokers {
		f := checkup.Finding{Check: "broker " + addr, State: checkup.Bad}
		if f.Says, f.Do = checkup.Reach(ctx, addr, wait); f.Says == "" {
			one := c
			one.Brokers = []string{addr}
			conn, err := client.Connect(ctx, one)
			switch {
			case err == nil:
				conn.Close()
				f.State, f.Says = checkup.OK, "accepts this admin"
			case errors.Is(err, client.ErrStranger):
				f.Says, f.Do = "belongs to this fleet, but its roster does not contain this admin's key", "ask an admin who has the root key to run: fleet admin add NAME KEY; or use the right home directory: --home DIR"
			case errors.Is(err, identity.ErrOtherFleet):
				f.Says, f.Do = "does not present a certificate of the pinned fleet: "+err.Error(), "root.pub and the list of brokers belong to different fleets, or this machine's clock is off by days"
			case errors.Is(err, identity.ErrShutOut):
				f.Says, f.Do = err.Error(), "do not use this broker; it was revoked, or its machine is a copy from former days"
			default:
				f.Says, f.Do = err.Error(), "check that this is a fleet broker; its default port is 7421"
			}
		}
		found = append(found, f)
	}
	return append(found, checkup.Finding{Check: "clock", State: checkup.Skipped, Says: "to compare the hosts' clocks with this machine's: fleet status"})
}
