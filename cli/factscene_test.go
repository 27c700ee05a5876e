package cli

import (
	"fmt"
	"strings"

	"fleet/client"
	"fleet/job"
)

// inventoriedScene is hosts in three racks that tell their inventories. Two of the third rack have an old kernel; one host
// gives an answer without facts, and one gives none.
func inventoriedScene() *scene {
	s := &scene{}
	for i := range 8 {
		rack, kernel := fmt.Sprint(1+i%3), "6.1.0-40-amd64"
		classes := []any{"webserver"}
		if rack == "3" {
			kernel = "5.10.0-9-amd64"
		}
		facts := map[string]any{
			"kernelrelease": kernel, "kernelmajversion": strings.Join(strings.Split(kernel, ".")[:2], "."), "hostname": fmt.Sprintf("web%d", i+1),
			"memory":     map[string]any{"system": map[string]any{"total_bytes": int64(25276514304)}},
			"processors": map[string]any{"models": []any{"Xeon", "Xeon"}}, "uptime_seconds": int64(273600 + i),
		}
		if i < 4 {
			facts["hagroup"] = string("ab"[i%2])
		}
		if i == 6 {
			classes = append(classes, "canary")
		}
		hagroop := []any{} // what host i has like it
		if i < 4 {
			hagroop = []any{"hagroup"}
		}
		s.hosts = append(s.hosts, sceneHost{name: fmt.Sprintf("web%d", i+1), facts: facts, does: map[string]client.Outcome{
			"rpcutil get_fact": says(job.Skipped, "no fact hagroop on this host", nil),
			"rpcutil names": says(job.OK, "", map[string]any{
				"facts":   map[string]any{"hagroop": hagroop, "rack": []any{"rack"}, "zzz": []any{}},
				"classes": map[string]any{"Webserver": []any{"webserver"}, "webserver": []any{"webserver"}},
			}),
			"rpcutil inventory": says(job.OK, "", map[string]any{
				"id": fmt.Sprintf("node%d", i), "kind": "member", "broker": false, "uptime": int64(273600),
				"facts": facts, "labels": map[string]any{"rack": rack}, "classes": classes,
				"problems": []any{map[string]any{"file": "/etc/fleet/facts.d/rack.txt", "error": "line 2: \"rack three\" is not name=value"}},
			}),
		}})
	}
	s.hosts[1].does["rpcutil inventory"].Data["configured"] = "db1"
	s.hosts[7].does["rpcutil inventory"] = says(job.OK, "(outputs left out: too large)", nil)
	s.hosts = append(s.hosts, sceneHost{name: "web9", gone: true})
	return s
}
