package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/plugins/answers"
)

func rosterAt(version uint64, hash string) answers.Document {
	return answers.Document{Name: rosterName, Version: version, Hash: hash}
}

// wholeFleet is n hosts that are well, the first three of them with brokers.
func wholeFleet(n int) *Status {
	s := &Status{Name: "acme", ID: "fleetid", Roster: rosterAt(3, "aa"), Took: 34 * time.Millisecond}
	for i := 1; i <= n; i++ {
		h := HostStatus{Node: identity.ID(fmt.Sprintf("n%d", i)), Clock: client.Clock{Offset: time.Duration(i) * time.Microsecond, Within: time.Millisecond}, Status: answers.Status{
			About: answers.About{Name: fmt.Sprintf("web%d", i), Version: "0.1.0", Kind: "member"}, Protocol: 1, DocumentCount: 1,
			Documents: []answers.Document{rosterAt(3, "aa")}, ViewSummary: answers.ViewSummary{ViewHash: "same", Alive: int64(n)}, Connected: "10.0.0.1:7421",
		}}
		m := job.Member{Node: h.Node, Name: h.Name, Presence: job.Alive, Role: identity.Member}
		if i <= 3 {
			h.Kind, h.Broker, h.Clients, m.Role, m.Broker = "peer", true, 4, identity.Peer, fmt.Sprintf("10.0.0.%d:7421", i)
			for j := 1; j <= min(n, 3); j++ {
				if i != j {
					h.Routes = append(h.Routes, fmt.Sprintf("n%d", j))
				}
			}
		}
		s.Hosts, s.Members = append(s.Hosts, h), append(s.Members, m)
	}
	return s
}

func render(t *testing.T, s *Status, v View) string {
	t.Helper()
	out, err := s.Render(Table, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAThousandHostsFitOnOneScreen(t *testing.T) {
	s := wholeFleet(1000)
	s.Judge()
	const want = `acme fleetid: 1000 of 1000 hosts answered, in 34 ms

hosts      1000 alive, 0 failed, 0 left (997 members, 3 peers)
brokers    3: web1 (4 clients), web2 (4 clients), web3 (4 clients); all routes are up
versions   fleet 0.1.0 on 1000 hosts; protocol 1 on 1000 hosts
documents  roster version 3 (aa) on 1000 hosts
clocks     at most 1.0 ms from this machine's (web1000, ahead; give or take 1.0 ms)
views      1000 hosts agree: 1000 alive, 0 failed
admitted   no peer said whom it let in

No problems found.
`
	if got := render(t, s, View{}); got != want || s.Wrong() {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := render(t, s, View{Quiet: true}); got != "" {
		t.Errorf("quiet: %q", got)
	}
	if got := strings.Count(render(t, s, View{Verbose: true}), "\n"); got < 1000 {
		t.Errorf("verbose has %d lines", got)
	}
}

func TestOneHost(t *testing.T) {
	s := wholeFleet(1)
	s.Judge()
	got := render(t, s, View{})
	for _, want := range []string{"1 of 1 host answered", "brokers    1: web1 (4 clients)\n", "(1 peer)", "views      1 host sees 1 alive, 0 failed", "No problems found."} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// What is wrong is named with the hosts it is about, and hosts with the same trouble share a line.
func TestWhatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		do   func(*Status)
		want []string // the lines under Wrong
	}{
		{"a route", func(s *Status) { s.Hosts[0].Routes = []string{"n2"} }, []string{"no route between the brokers of web1 and web3: hosts and admins on one do not hear the other"}},
		{"an older roster", func(s *Status) {
			s.Hosts[6].Documents[0], s.Hosts[7].Documents[0] = rosterAt(2, "bb"), rosterAt(2, "bb")
		},
			[]string{"web[7-8]: roster version 2 (bb) instead of 3 (aa)"}},
		{"another roster of the same version", func(s *Status) { s.Hosts[6].Documents[0] = rosterAt(3, "cc") },
			[]string{"web[1-6,8-9]: roster version 3 (aa) instead of 3 (cc)"}},
		{"no roster", func(s *Status) { s.Hosts[6].Documents, s.Hosts[6].DocumentCount = nil, 0 }, []string{"web7: roster version none instead of 3 (aa)"}},
		{"others among many documents", func(s *Status) {
			for i := range s.Hosts {
				s.Hosts[i].DocumentCount, s.Hosts[i].DocumentsHash = 40, "same"
			}
			s.Hosts[6].DocumentsHash = "other"
		}, []string{"web7: not the same documents as most hosts have"}},
		{"a newer roster than the broker's", func(s *Status) { s.Roster = rosterAt(2, "bb") }, nil},
		{"a document", func(s *Status) {
			for i := range s.Hosts {
				s.Hosts[i].Documents, s.Hosts[i].DocumentCount = append(s.Hosts[i].Documents, answers.Document{Name: "rotation/0", Version: 10, Hash: "dd"}), 2
			}
			s.Hosts[4].Documents[1] = answers.Document{Name: "rotation/0", Version: 9, Hash: "ee"}
		}, []string{"web5: document rotation/0: version 9 (ee) instead of 10 (dd)"}},
		{"a clock", func(s *Status) { s.Hosts[5].Clock.Offset = -3 * time.Second }, []string{"web6: its clock is 3s (within 1ms) behind this machine's"}},
		{"a slow answer is no wrong clock", func(s *Status) {
			s.Hosts[5].Clock = client.Clock{Offset: 3 * time.Second, Within: 3 * time.Second}
		}, nil},
		{"our own clock", func(s *Status) {
			for i := range s.Hosts {
				s.Hosts[i].Clock.Offset = 5 * time.Second
			}
		}, []string{"web[1-9]: its clock is 5s (within 1ms) ahead of this machine's",
			"most hosts' clocks differ from this machine's in the same direction; this machine's clock is probably wrong"}},
		{"its own trouble", func(s *Status) { s.Hosts[8].Trouble = []string{"its cannot write the audit log\x1b[2J"} }, []string{"web9: its cannot write the audit log" + Sanitise("\x1b[2J")}},
		{"a broker that is none", func(s *Status) { s.Hosts[2].Broker, s.Hosts[2].Routes = false, nil }, []string{"web3: the mesh says that it runs a broker, but it does not"}},
		{"no broker", func(s *Status) {
			for i := range 3 {
				s.Hosts[i].Broker, s.Members[i].Broker = false, ""
			}
		}, []string{"it runs a broker, but the mesh does not know it"}},
		{"silent hosts", func(s *Status) {
			s.Others = []client.Outcome{{Name: "web8", State: job.Silent, Message: "failed 3m ago"}, {Name: "web9", State: job.Silent, Message: "failed 3m ago"},
				{Name: "web7", State: job.Denied, Reason: job.ReasonAction, Message: "this host has no action node status"}}
			s.Hosts = s.Hosts[:6]
		}, []string{"web[8-9]: silent: failed 3m ago", "web7: refused: its version of fleet is too old to report its status"}},
		{"a silent broker", func(s *Status) {
			s.Hosts = slices.Delete(s.Hosts, 1, 2)
			s.Others = []client.Outcome{{Name: "web2", State: job.Silent, Message: "alive, but no answer"}}
		}, []string{"web2: silent: alive, but no answer"}},
		{"forged answers", func(s *Status) { s.Rejected = 2 }, []string{"2 replies failed verification and were ignored; -v says why"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := wholeFleet(9)
			tt.do(s)
			s.Judge()
			if got := s.wrongLines(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
			for _, f := range []Format{Table, JSON, JSONL, YAML, CSV, Name} {
				if _, err := s.Render(f, View{Verbose: true}); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
		})
	}
}

// Views that differ are named by what differs; those that were only late are not.
func TestViewsThatDiffer(t *testing.T) {
	full := map[string]answers.Seen{"n1": {Name: "web1", Presence: "alive"}, "n2": {Name: "web2", Presence: "alive"}, "n4": {Name: "web4", Presence: "alive"}}
	fewer := map[string]answers.Seen{"n1": {Name: "web1", Presence: "alive"}, "n2": {Name: "web2", Presence: "failed"}, "n5": {Name: "web5", Presence: "alive"}}
	differing := func() *Status {
		s := wholeFleet(9)
		for _, i := range []int{2, 7, 8} {
			s.Hosts[i].ViewHash, s.Hosts[i].Alive, s.Hosts[i].Failed = "other", 8, 1
		}
		s.Judge()
		if len(s.Views) != 2 || s.Views[0].Name != "web1" || s.Views[1].Name != "web3" || s.Views[1].Brokers != 1 {
			t.Fatalf("%+v", s.Views)
		}
		return s
	}
	tests := []struct {
		name  string
		views map[identity.ID]map[string]answers.Seen
		want  []string
	}{
		{"they differ", map[identity.ID]map[string]answers.Seen{"n1": full, "n3": fewer},
			[]string{"web[3,8-9]: sees web2 as failed where web1 sees it alive; web5 as alive, which web1 does not know; nothing of web4, which web1 sees as alive"}},
		{"they agree by now", map[identity.ID]map[string]answers.Seen{"n1": full, "n3": full}, nil},
		{"one is not told", map[identity.ID]map[string]answers.Seen{"n1": full}, []string{"web[3,8-9]: sees 8 alive and 1 failed, where web1 sees 9 and 0"}},
		{"none is told", nil, []string{"web[3,8-9]: sees 8 alive and 1 failed, where web1 sees 9 and 0"}},
	}
	for _, tt := range tests {
		s := differing()
		s.Compare(tt.views)
		if got := s.wrongLines(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q\nwant %q", tt.name, got, tt.want)
		}
		if all := strings.Contains(s.viewLine(), "9 hosts agree"); all != (tt.want == nil) {
			t.Errorf("%s: %s", tt.name, s.viewLine())
		}
	}
}

func TestStatusForPrograms(t *testing.T) {
	s := wholeFleet(9)
	s.Hosts[6].Documents[0] = rosterAt(2, "bb")
	s.Others = []client.Outcome{{Name: "web10", State: job.Silent, Message: "failed 3m ago"}}
	s.Judge()
	s.Exit = 5
	out, err := s.Render(JSON, View{})
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["schema"] != "fleet.status/v1" || doc["exit"] != 5.0 || doc["hosts"] != nil || doc["answered"] != 9.0 || len(doc["wrong"].([]any)) != 1 {
		t.Errorf("%s", out)
	}
	if out, _ = s.Render(Name, View{}); string(out) != "web7\nweb10\n" {
		t.Errorf("names: %q", out)
	}
	if out, _ = s.Render(CSV, View{}); string(out) != "kind,hosts,text\nroster,web7,roster version 2 (bb) instead of 3 (aa)\nsilent,web10,failed 3m ago\n" {
		t.Errorf("csv: %q", out)
	}
}

// What a host sends is foreign. Of an answer that cannot be read nothing counts, and its host is named.
func TestAnUnreadableAnswerIsAFailure(t *testing.T) {
	s := wholeFleet(2)
	s.Answered(client.Outcome{Name: "web3", State: job.OK, Data: map[string]any{"version": "0.1.0", "clients": "many"}})
	s.Answered(client.Outcome{Name: "web4", State: job.OK, Data: map[string]any{"name": "db1", "documents": []any{map[string]any{"name": rosterName, "version": int64(3), "hash": "aa"}}}})
	if len(s.Hosts) != 3 || s.Hosts[2].Name != "web4" || len(s.Others) != 1 {
		t.Fatalf("%+v, %+v", s.Hosts, s.Others)
	}
	s.Judge()
	if want := []string{"web3: failed: cannot read its answer: clients: is a string, not a int64; it may run another version of fleet"}; !slices.Equal(s.wrongLines(), want) {
		t.Errorf("got %q", s.wrongLines())
	}
}

// A status names who was let in lately, by whom and with which token, and the hosts of which no peer says so.
func TestAdmissionsInAStatus(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	let := func(ago time.Duration, hosts ...int) (list []Admission) {
		for _, i := range hosts {
			list = append(list, Admission{fmt.Sprintf("web%d", i), fmt.Sprintf("n%d", i), "web1", "tok", now.Add(-ago)})
		}
		return list
	}
	for _, tt := range []struct {
		name  string
		hosts int
		told  int
		let   []Admission
		want  string
	}{
		{"nobody told", 3, 0, nil, "no peer said whom it let in"},
		{"long ago", 3, 1, let(25*time.Hour, 1, 2, 3), "none in the last day"},
		{"lately", 3, 3, append(let(25*time.Hour, 1), let(time.Hour, 3, 2)...), "2 in the last day: web2, web3 (token tok, by web1)"},
		{"many", 9, 1, let(time.Hour, 1, 2, 3, 4, 5, 6, 7, 8, 9), "9 in the last day: web1, web2, web3, web4, web5 and 4 more (token tok, by web1)"},
		{"unexplained", 4, 1, let(25*time.Hour, 1, 3), "none in the last day; no peer says who let in web2, web4 (fleet audit --admissions)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := wholeFleet(tt.hosts)
			s.Now, s.Admissions = now, Admissions{Let: tt.let, Told: tt.told}
			s.Judge()
			if got := s.admissionLine(); got != tt.want || s.Wrong() {
				t.Errorf("got %q, want %q; %v", got, tt.want, s.Faults)
			}
		})
	}
}
