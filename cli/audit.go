package cli

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/audit"
	"fleet/plugins/answers"

	ucli "github.com/urfave/cli/v2"
)

const (
	actionAudit = "audit"
	flagJob     = "job"
	flagSince   = "since"

	flagAdmissions = "admissions"

	// auditDir is the audit's place in a node's directory.
	auditDir = "audit"
	// maxSince bounds --since: no audit reaches further back.
	maxSince = 10 * 365 * 24 * time.Hour
)

func auditVerb() verb {
	return verb{
		name: "audit", group: groupAsk, takes: "[HOST]", atLeast: 0, atMost: 1, brief: "show the audit log: who ran what, which rule decided, how it ended",
		about: []string{
			"Each host writes one line per decision and per outcome, including refusals and messages that failed verification; each line is chained to the previous one. " +
				"The newest lines that fit are shown, oldest first. Without HOST, all matching hosts are asked. Standard input is not read.",
			"With --admissions it is about who let which host in, with whose token. Hosts of which no peer that answered wrote that down are named: hosts that came longer ago than the log reaches or by a peer that is gone, and whatever got in otherwise.",
			"If you note the number and hash of a host's newest line elsewhere, you can tell later whether the end of its log was cut off.",
		},
		examples: []example{
			{"fleet audit web1", "the last 50 lines of one host"},
			{"fleet audit web1 --since 1h --limit 200 -o json", "for a program"},
			{"fleet audit --job 01KANSNYG0XJ5B4V0D3F6A7C8E", "what each host decided about one job"},
			{"fleet audit --admissions --since 30d", "who let which host in"},
			{"fleet audit verify", "on a host: verify the chain"},
		},
		flags: append(append(append(filterFlags(),
			text(whatToPrint, flagJob, "", "`ID`: only lines about this job"),
			toggle(whatToPrint, flagAdmissions, "", "only lines about hosts that asked to be let in"),
			text(whatToPrint, flagSince, "", "`DURATION`: only lines this old or newer (90s, 1h, 30d)"),
			text(whatToPrint, flagLimit, "", "`N`: the newest N lines of each host (default 50, at most 500)"),
		), printFlags("no more detail about hosts")...), connectionFlags()...),
		endings:  []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		subverbs: []verb{auditVerifyVerb()},
		do: func(e *env, in *ucli.Context) error {
			words, err := auditWords(in)
			if err != nil {
				return err
			}
			o, err := e.parseAsk(in, nodePlugin, actionAudit, words)
			if err != nil {
				return err
			}
			f, err := filter.Build(o.hosts.flags)
			if err != nil {
				return usagef("%w", err)
			}
			switch host := in.Args().First(); {
			case host != "" && !f.IsZero():
				return usagef("%q and a filter exclude each other; use one of them", host)
			case host != "":
				o.hosts.flags = filter.Flags{Identity: []string{host}}
			case f.IsZero() && !in.IsSet(flagJob) && !in.IsSet(flagSince) && !in.Bool(flagAdmissions):
				return usagef("audit needs a HOST, a filter, --job, --since or --admissions").with(hintHelp("audit"))
			}
			return e.audit(in, o)
		},
	}
}

// auditWords are the action's arguments as typed.
func auditWords(in *ucli.Context) (map[string]string, error) {
	words := map[string]string{}
	if in.IsSet(flagJob) {
		words["job"] = strings.ToUpper(in.String(flagJob))
	}
	if in.Bool(flagAdmissions) {
		words["event"] = string(audit.Admission)
	}
	if in.IsSet(flagLimit) {
		words["limit"] = in.String(flagLimit)
	}
	if in.IsSet(flagSince) {
		d, err := parseDuration(in.String(flagSince))
		if err != nil || d < time.Second || d > maxSince {
			return nil, usagef("--since: %q is not a duration such as 90s, 1h or 30d", in.String(flagSince))
		}
		words["since"] = strconv.FormatInt(int64(d/time.Second), 10)
	}
	return words, nil
}

func (e *env) audit(in *ucli.Context, o lookOptions) error {
	r, pages, f, err := lookFor[answers.AuditPage](in.Context, e.withoutStdin(), o)
	if err != nil {
		return err
	}
	x, damaged := report.Audit{Exit: r.Exit}, 0
	for i, page := range pages {
		outcome := r.Outcomes[i]
		if outcome.State != job.OK {
			x.Others = append(x.Others, outcome)
			continue
		}
		h := report.AuditHost{Name: outcome.Name, More: page.More, Seq: page.Seq, Hash: page.Hash}
		for _, l := range page.Lines {
			if entry, err := audit.DecodeLine([]byte(l)); err == nil {
				h.Lines = append(h.Lines, entry)
			} else {
				h.Damaged++
				damaged++
			}
		}
		x.Hosts = append(x.Hosts, h)
	}
	if in.Bool(flagAdmissions) && f.IsZero() {
		e.unexplained(r.Outcomes, x.Hosts)
	}
	if damaged > 0 && x.Exit == 0 {
		x.Exit = endFailed.code()
	}
	out, err := x.Render(o.print.format)
	if err := e.told(out, err, r, f); err != nil || damaged == 0 {
		return err
	}
	return ended(endFailed)
}

func auditVerifyVerb() verb {
	return verb{
		name: "verify", brief: "verify an audit log's hash chain", takes: "[DIR|FILE...]", atLeast: 0, atMost: -1,
		about: []string{
			"Reads the audit log of this host's node, of another directory, or of files given oldest first; no host is asked. It names the first line that was edited, removed, " +
				"moved or duplicated, and then exits with 4.",
			"Someone with root on the host can rewrite the chain from some line to its end, and it still verifies. To detect that, compare the number and hash of the last line with what fleet audit HOST showed before.",
		},
		examples: []example{
			{"fleet audit verify", "on the host, as root"},
			{"fleet audit verify /backup/web1/audit", "a copy"},
		},
		flags: []ucli.Flag{
			text(placeOfNode, flagData, "", "`DIR`: the node's data directory (default /var/lib/fleet for root, else ~/.local/state/fleet)"),
			text(whatToPrint, flagOutput, "o", "`FORMAT`: table, json, jsonl, yaml, csv or name"),
			toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
			text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
		},
		endings: []ending{endFault, endFailed},
		do:      func(e *env, in *ucli.Context) error { return e.verifyAudit(in) },
	}
}

func (e *env) verifyAudit(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	p, err := e.parsePrinting(in, c)
	if err != nil {
		return err
	}
	paths := in.Args().Slice()
	if len(paths) == 0 {
		data := pick(in, flagData, c.Node.Data)
		if data == "" {
			if data, err = defaultData(e.getenv); err != nil {
				return err
			}
		}
		paths = []string{filepath.Join(data, auditDir)}
	}
	found, err := audit.Verify(paths...)
	if err != nil {
		return faultf("%w", err)
	}
	end := endFine
	switch {
	case found.Break != nil:
		end = endFailed
	case found.Lines == 0:
		return faultf("there is no audit log in %s", strings.Join(paths, " "))
	}
	out, err := report.AuditCheck{Paths: paths, Report: found, Exit: end.code()}.Render(p.format)
	if err != nil {
		return faultf("%w", err)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	return ended(end)
}
