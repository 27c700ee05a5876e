package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/node/audit"
	"fleet/plugins/answers"
)

// statusAnswer is what a host that is well says of itself; change may spoil it.
func statusAnswer(i, n int, change func(*answers.Status)) client.Outcome {
	x := answers.Status{
		About: answers.About{Version: "0.1.0", Kind: "member"}, Protocol: 1, Connected: "10.0.0.1:7421", Roster: 3,
		Documents: []answers.Document{{Name: "roster/roster", Version: 3, Hash: "00000000"}}, DocumentCount: 1,
		Expires: answers.At(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)), ViewSummary: answers.ViewSummary{ViewHash: "same", Alive: int64(n)},
	}
	if i < 3 {
		x.Kind, x.Broker, x.Clients = "peer", true, 2
		for j := range min(n, 3) {
			if j != i {
				x.Routes = append(x.Routes, fmt.Sprintf("node%d", j))
			}
		}
	}
	if change != nil {
		change(&x)
	}
	return says(job.OK, "", answers.Data(x))
}

func sceneMember(i int, presence job.Presence) job.Member {
	m := job.Member{Node: identity.ID(fmt.Sprintf("node%d", i)), Name: fmt.Sprintf("web%d", i+1), Presence: presence, Role: identity.Member}
	if i < 3 {
		m.Role, m.Broker = identity.Peer, fmt.Sprintf("10.0.0.%d:7421", i+1)
	}
	return m
}

// admissionsAnswer is what a peer says that let these hosts in within the last hour.
func admissionsAnswer(hosts ...int) client.Outcome {
	var page answers.AuditPage
	for _, i := range hosts {
		m := sceneMember(i, job.Alive)
		line, err := json.Marshal(audit.Entry{V: audit.Version, Seq: uint64(i) + 1, Time: time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond), Event: audit.Admission, Signer: m.Name,
			Key: string(m.Node), Token: "token", Decision: audit.Admit, Prev: strings.Repeat("0", 64)})
		if err != nil {
			panic(err)
		}
		page.Lines = append(page.Lines, string(line))
	}
	return says(job.OK, "", answers.Data(page))
}

// loneScene is a fleet of one host, which is well.
func loneScene() *scene {
	return &scene{members: []job.Member{sceneMember(0, job.Alive)}, hosts: []sceneHost{{name: "web1", does: map[string]client.Outcome{
		"node status": statusAnswer(0, 1, nil), "node audit": admissionsAnswer(0)}}}}
}

// unwellScene has a broker without a route, an old roster, another view and a dead host.
func unwellScene() *scene {
	s := &scene{}
	for i := range 6 {
		view := answers.View{Members: []answers.Seen{{ID: "node0", Name: "web1", Presence: "alive"}, {ID: "node5", Name: "web6", Presence: "alive"}}}
		var change func(*answers.Status)
		switch i {
		case 1:
			change = func(x *answers.Status) { x.Routes = []string{"node0"} }
		case 3:
			change = func(x *answers.Status) { x.Roster, x.Documents[0].Version, x.Documents[0].Hash = 2, 2, "11111111" }
		case 4:
			change = func(x *answers.Status) { x.ViewHash, x.Alive, x.Failed = "other", 5, 1 }
			view.Members[1].Presence = "failed"
		}
		s.members = append(s.members, sceneMember(i, job.Alive))
		s.hosts = append(s.hosts, sceneHost{name: fmt.Sprintf("web%d", i+1), does: map[string]client.Outcome{
			"node status": statusAnswer(i, 6, change), "node view": says(job.OK, "", answers.Data(view)), "node audit": admissionsAnswer(i)}})
	}
	s.members = append(s.members, sceneMember(6, job.MemberFailed), sceneMember(7, job.Left))
	s.hosts = append(s.hosts, sceneHost{name: "web7", gone: true})
	return s
}
