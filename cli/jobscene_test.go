package cli

import (
	"fleet/client"
	"fleet/job"
	"fleet/plugins/answers"
)

const pastID = "01M8ECYHY3CMGEQK924NP89792"

// jobsScene is five hosts that tell of one job: it was for web1 to web4, and runs on web2; web3 knows nothing of it.
func jobsScene() *scene {
	past := func(state, message string, kept bool, data map[string]any) client.Outcome {
		d := map[string]any{
			"id": pastID, "state": state, "signer": "ann", "reason": "ticket 4711", "plugin": "service", "action": "restart", "args": map[string]any{"service": "nginx"},
			"message": message, "kept": kept, "targets": []any{"node0", "node1", "node2", "node3"},
		}
		if data != nil {
			d["data"] = data
		}
		return says(job.OK, state, d)
	}
	list := func(state string) client.Outcome {
		return says(job.OK, "1 changes", map[string]any{"jobs": []any{
			map[string]any{"id": pastID, "state": state, "signer": "ann", "reason": "ticket 4711", "plugin": "service", "action": "restart", "args": map[string]any{"service": "nginx"}},
			map[string]any{"id": "no id", "state": "ok"},
		}})
	}
	unknown := says(job.Skipped, "this job is not known here", nil)
	return &scene{hosts: []sceneHost{
		{name: "web1", does: map[string]client.Outcome{"jobs list": list("ok"), "jobs show": past("ok", "restarted nginx: running", true, map[string]any{"state": "running"}),
			"jobs output": says(job.OK, "0 to 30 of 30 bytes", map[string]any{"text": "Unpacking nginx ...\n\x1b[2Jdone\n", "next": int64(25), "size": int64(25), "running": false}),
			"jobs cancel": says(job.Unchanged, "had ended: ok", nil)}},
		{name: "web2", does: map[string]client.Outcome{"jobs list": list("running"), "jobs show": past("running", "", false, nil),
			"jobs cancel": says(job.OK, "told to stop; fleet job show says how it ended", nil)}},
		{name: "web3", does: map[string]client.Outcome{"jobs list": says(job.OK, "0 changes", nil), "jobs show": unknown,
			"jobs output": says(job.Skipped, "no output of this job is kept here", nil),
			"jobs cancel": says(job.OK, "has not come here, and will not run if it does", nil)}},
		{name: "web4", gone: true},
		{name: "web5", does: map[string]client.Outcome{"jobs list": says(job.OK, "0 changes", nil), "jobs show": unknown,
			"jobs cancel": says(job.OK, "has not come here, and will not run if it does", nil)}},
		{name: "web6", does: map[string]client.Outcome{"jobs list": list("failed"), "jobs show": past("failed", "", false, nil),
			"jobs cancel": says(job.Unchanged, "had ended: failed", nil)}},
	}}
}

// unnamedScene is a host that knows of a job for three hosts, and names only itself.
func unnamedScene() *scene {
	j := answers.Job{ID: pastID, State: "ok", Signer: "ann", Plugin: "service", Action: "restart", Kept: true, Targets: []string{"node0"}, Total: 3}
	return &scene{hosts: []sceneHost{{name: "web1", does: map[string]client.Outcome{"jobs show": says(job.OK, "ok", answers.Data(j))}}}}
}

// planID is the id of whatever goes out in several jobs.
const planID = "01M8FCYHY3CMGEQK924NP89PAN"

// plannedScene is hosts that tell of a change in two jobs; web5 was told not to run what is not for it. Of a half of it only the first job
// was sent.
func plannedScene(whole bool) *scene {
	host := func(name string, part int64, targets ...string) sceneHost {
		j := answers.Job{ID: "01M8FCYHY3CMGEQK924NP89P0" + string(rune('0'+part)), Plan: planID, Part: part, Parts: 2, State: "ok", Signer: "ann", Plugin: "service", Action: "restart",
			Kept: true, Message: "restarted nginx: running", Data: map[string]any{"state": "running"}, Targets: targets, Total: 4}
		return sceneHost{name: name, does: map[string]client.Outcome{"jobs show": says(job.OK, "ok", answers.Data(j)), "jobs list": says(job.OK, "", answers.Data(answers.Jobs{Jobs: []answers.Job{j}}))}}
	}
	barred := answers.Job{ID: planID, State: "cancelled"}
	unknown := map[string]client.Outcome{"jobs show": says(job.Skipped, "this job is not known here", nil), "jobs list": says(job.OK, "", answers.Data(answers.Jobs{}))}
	hosts := []sceneHost{host("web1", 0, "node0", "node1"), host("web2", 0, "node0", "node1"), {name: "web3", does: unknown}, {name: "web4", does: unknown}, {name: "web5", does: unknown}}
	if whole {
		hosts[2], hosts[3] = host("web3", 1, "node2", "node3"), host("web4", 1, "node2", "node3")
		hosts[4].does = map[string]client.Outcome{"jobs show": says(job.OK, "cancelled", answers.Data(barred)), "jobs list": says(job.OK, "", answers.Data(answers.Jobs{Jobs: []answers.Job{barred}}))}
	}
	return &scene{hosts: hosts}
}

// forgottenScene is hosts that know of no job.
func forgottenScene() *scene {
	unknown := map[string]client.Outcome{"jobs show": says(job.Skipped, "this job is not known here", nil), "jobs list": says(job.OK, "0 changes", nil)}
	return &scene{hosts: []sceneHost{{name: "web1", does: unknown}, {name: "web2", does: unknown}}}
}
