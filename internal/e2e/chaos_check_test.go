//go:build lab

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fleet/internal/lab/labtest"
)

// trouble is what the admins may see of a scenario, and nothing beside it.
type trouble struct {
	gone    map[string][]string // by admin: the hosts that may be silent or lost; "" is every admin
	cutOff  bool                // for a while no broker may be reached: exit code 1
	power   bool                // who is gone lost its power: a change may fail there, for systemd ends before the node does
	thrown  []string            // hosts that were thrown away, in the middle of whatever they did
	refuses string              // a host that may refuse changes
	clock   map[string][]string // by admin, as gone: the hosts that may refuse whatever he asks, as one of the two clocks is off
	away    []string            // hosts that may be not expected: their nodes stop in order, come or are forgotten meanwhile
}

func gone(hosts ...string) trouble { return trouble{gone: map[string][]string{"": hosts}} }

func (tr trouble) mayMiss(admin, host string) bool { return concerns(tr.gone, admin, host) }

// concerns reports whether a trouble of these hosts is that admin's too.
func concerns(hosts map[string][]string, admin, host string) bool {
	return slices.Contains(hosts[""], host) || slices.Contains(hosts[admin], host)
}

// judge verifies one call: every host of the fleet is named once, in one state, the states add up, and the exit code says
// the worst of them.
func (tr trouble) judge(t *testing.T, admin string, c call, all []string) {
	t.Helper()
	bad := func(what string) { t.Helper(); t.Errorf("%s: %s\n%s", admin, what, c) }
	if c.fault != nil {
		bad("a command broke")
		return
	}
	if c.code == 1 {
		if !tr.cutOff || !strings.Contains(c.stderr, "broker") {
			bad("no answer at all")
		}
		return
	}
	want, sum, failed := 0, 0, false
	var names []string
	for _, h := range c.run.Hosts {
		names = append(names, h.Host)
		switch {
		case h.State == "ok":
		case (h.State == "silent" || h.State == "lost") && tr.mayMiss(admin, h.Host):
			want = max(want, 5)
		case h.State == "failed" && tr.power && tr.mayMiss(admin, h.Host) && c.tag != "":
			failed = true
		case h.State == "refused" && h.Host == tr.refuses && c.tag != "":
			want = max(want, 7)
		case h.State == "refused" && concerns(tr.clock, admin, h.Host) && strings.Contains(h.Message, "clock"):
			want = max(want, 7)
		default:
			bad(h.Host + " is " + h.State + ": it had no trouble")
			return
		}
		if h.State != "ok" && h.Message == "" {
			bad(h.Host + " has no word on why")
		}
	}
	for _, n := range c.run.Tally {
		sum += n
	}
	if failed && want < 7 { // 7 > 4 > 5, as cli's TestWorstWins pins it
		want = 4
	}
	slices.Sort(names)
	expected := slices.DeleteFunc(slices.Sorted(slices.Values(all)), func(h string) bool { return slices.Contains(tr.away, h) && !slices.Contains(names, h) })
	switch {
	case !slices.Equal(names, expected):
		bad("not every host is named, once")
	case sum != len(names) || c.run.Expected != len(names) || c.run.NoMatch != 0 || len(c.run.NotStarted) != 0:
		bad("the states do not add up")
	case c.run.Rejected != 0:
		bad("replies did not verify")
	case c.code != want || c.run.Exit != want:
		bad("the exit code is not what the states say")
	}
}

// books are what one host itself says of the changes it was sent.
type books struct {
	ran    map[string]int // how often each tag was counted
	lines  []auditLine
	thrown bool // the host ended in the middle, for good
}

type auditLine struct {
	Event    string         `json:"event"`
	Job      string         `json:"job"`
	Args     map[string]any `json:"args"`
	Decision string         `json:"decision"`
}

const ranFile = "/var/lib/chaos-ran"

// readBooks reads them from the host's disk; the host may be down.
func readBooks(t *testing.T, l *labtest.Lab, host string, thrown bool) books {
	t.Helper()
	b := books{ran: map[string]int{}, thrown: thrown}
	ran, err := l.Read(l.Context(), host, ranFile)
	if err != nil {
		t.Fatal(err)
	}
	for tag := range strings.FieldsSeq(ran) {
		b.ran[tag]++
	}
	var text string
	if text, err = l.Read(l.Context(), host, "/var/lib/fleet/audit/audit.log"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		var a auditLine
		// A host that lost its power may have left half a line; the node says so in the next one, and so it counts as none.
		if json.Unmarshal([]byte(line), &a) == nil {
			b.lines = append(b.lines, a)
		}
	}
	return b
}

// decided returns the jobs by which the host decided to run that change, and whether the last of them is accounted for: it has
// its end in the audit, or the node started anew after it, or never again.
func (b books) decided(tag string) (jobs []string, accounted bool) {
	for i, a := range b.lines {
		if a.Event != "decision" || a.Decision != "run" || a.Args["service"] != "chaos@"+tag {
			continue
		}
		jobs = append(jobs, a.Job)
		accounted = b.thrown || slices.ContainsFunc(b.lines[i+1:], func(later auditLine) bool {
			return later.Event == "start" || later.Event == "outcome" && later.Job == a.Job
		})
	}
	return jobs, accounted
}

// heardOf reports whether one of the jobs stands in the audit. A node that is killed after it has claimed a job and before it
// has written its decision down has run nothing, and writes down that the job came again.
func (b books) heardOf(jobs []string) bool {
	return slices.ContainsFunc(b.lines, func(a auditLine) bool { return slices.Contains(jobs, a.Job) })
}

// account compares what an admin was told with what the hosts counted: nothing ran twice, what was reported done ran, and
// what ran without the admin hearing of it stands in the host's audit under the job's id.
func account(t *testing.T, admin string, calls []call, all map[string]books) {
	t.Helper()
	total := map[string]int{}
	for _, c := range calls {
		if c.tag == "" {
			total["pings"]++
			continue
		}
		total["changes"]++
		told := map[string]string{}
		for _, h := range c.run.Hosts {
			told[h.Host] = h.State
		}
		if c.code == 1 {
			total["changes that met no broker"]++
		}
		for host, b := range all {
			state, ran := told[host], b.ran[c.tag]
			jobs, accounted := b.decided(c.tag)
			total[state]++
			total["ran"] += ran
			switch {
			case ran > 1 || len(jobs) > 1:
				t.Errorf("%s: %s ran %d times on %s, by the jobs %v", admin, c.tag, ran, host, jobs)
			case state == "ok" && ran != 1:
				t.Errorf("%s: %s is ok on %s and did not run there", admin, c.tag, host)
			case state == "refused" && ran != 0:
				t.Errorf("%s: %s was refused on %s and ran", admin, c.tag, host)
			case (ran == 1 || state == "failed") && len(jobs) == 0, state == "lost" && len(jobs) == 0 && !b.heardOf(c.run.Jobs):
				t.Errorf("%s: %s is %q on %s, ran %d times, and its audit knows nothing of it", admin, c.tag, state, host, ran)
			case len(jobs) == 1 && !accounted:
				t.Errorf("%s: %s on %s: job %s has no end in the audit, and the node was not restarted", admin, c.tag, host, jobs[0])
			case len(jobs) == 1 && c.code != 1 && !slices.Contains(c.run.Jobs, jobs[0]):
				t.Errorf("%s: %s ran on %s as job %s, and the admin was told of %v", admin, c.tag, host, jobs[0], c.run.Jobs)
			}
		}
	}
	delete(total, "")
	t.Logf("%s: %v", admin, total)
}

// strangers reports what was counted and is no stream's.
func strangers(t *testing.T, prefix string, streams map[string][]call, all map[string]books) {
	t.Helper()
	known := map[string]bool{}
	for _, calls := range streams {
		for _, c := range calls {
			known[c.tag] = true
		}
	}
	for host, b := range all {
		for tag := range b.ran {
			if strings.HasPrefix(tag, prefix+"-") && !known[tag] {
				t.Errorf("%s ran %s, which nobody sent", host, tag)
			}
		}
	}
}
