package cli

import (
	"fmt"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// statusAnswer is what a host that is well says of itself; change may spoil it.
func statusAnswer(i, n int, change func(data map[string]any)) client.Outcome {
	data := map[string]any{
		"version": "0.1.0", "kind": "member", "broker": false, "protocol": int64(1), "connected": "10.0.0.1:7421", "roster": int64(3),
		"documents": []any{"roster/roster 3 00000000"}, "document_count": int64(1), "expires": "2026-06-01T00:00:00Z", "view": "same", "alive": int64(n), "failed": int64(0),
	}
	if i < 3 {
		var routes []any
		for j := range min(n, 3) {
			if j != i {
				routes = append(routes, fmt.Sprintf("node%d", j))
			}
		}
		data["kind"], data["broker"], data["clients"], data["routes"] = "peer", true, int64(2), routes
	}
	if change != nil {
		change(data)
	}
	return says(job.OK, "", data)
}

func sceneMember(i int, presence job.Presence) job.Member {
	m := job.Member{Node: identity.ID(fmt.Sprintf("node%d", i)), Name: fmt.Sprintf("web%d", i+1), Presence: presence, Role: identity.Member}
	if i < 3 {
		m.Role, m.Broker = identity.Peer, fmt.Sprintf("10.0.0.%d:7421", i+1)
	}
	return m
}

// loneScene is a fleet of one host, which is well.
func loneScene() *scene {
	return &scene{members: []job.Member{sceneMember(0, job.Alive)}, hosts: []sceneHost{{name: "web1", does: map[string]client.Outcome{"rpcutil status": statusAnswer(0, 1, nil)}}}}
}

// unwellScene has a broker without a route, an old roster, another view and a dead host.
func unwellScene() *scene {
	s := &scene{}
	for i := range 6 {
		var change func(map[string]any)
		switch i {
		case 1:
			change = func(d map[string]any) { d["routes"] = []any{"node0"} }
		case 3:
			change = func(d map[string]any) { d["roster"], d["documents"] = int64(2), []any{"roster/roster 2 11111111"} }
		case 4:
			change = func(d map[string]any) { d["view"], d["alive"], d["failed"] = "other", int64(5), int64(1) }
		}
		members := []any{"node0 web1 alive", "node5 web6 alive"}
		if i == 4 {
			members = []any{"node0 web1 alive", "node5 web6 failed"}
		}
		s.members = append(s.members, sceneMember(i, job.Alive))
		s.hosts = append(s.hosts, sceneHost{name: fmt.Sprintf("web%d", i+1), does: map[string]client.Outcome{
			"rpcutil status": statusAnswer(i, 6, change), "rpcutil view": says(job.OK, "", map[string]any{"members": members})}})
	}
	s.members = append(s.members, sceneMember(6, job.Gone), sceneMember(7, job.Left))
	s.hosts = append(s.hosts, sceneHost{name: "web7", gone: true})
	return s
}
