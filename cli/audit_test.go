package cli

import (
	"fleet/client"
	"fleet/job"
)

// auditedScene is two hosts that tell lines of their audit, one of them damaged on the second, and one that is gone.
func auditedScene() *scene {
	lines := []any{
		`{"v":1,"seq":1,"time":"2026-11-20T00:00:00Z","event":"start","message":"fleet 0.1, roster version 3","prev":"0000000000000000000000000000000000000000000000000000000000000000"}`,
		`{"v":1,"seq":2,"time":"2026-11-20T00:00:01Z","event":"dropped","hash":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","message":"signer x of job y is not in roster version 3\u001b[2J","prev":"62b767eaadfbb6d9bcd97c0fe858dd7182bae2c04d65562827acaa7148e2ee49"}`,
		`{"v":1,"seq":3,"time":"2026-11-20T00:00:02Z","event":"decision","job":"01KANSNYG0XJ5B4V0D3F6A7C8E","job_reason":"ticket 4711","signer":"ann","key":"k1","plugin":"service","action":"restart","args":{"service":"nginx"},"decision":"run","by":"role all, rule 1: *.*","second":"bob","prev":"9b5d32a88bed26653b70739a9adfae9d3ab9cf1b060ffbceca3607a117a2d310"}`,
		`{"v":1,"seq":4,"time":"2026-11-20T00:00:03Z","event":"outcome","job":"01KANSNYG0XJ5B4V0D3F6A7C8E","signer":"ann","key":"k1","plugin":"service","action":"restart","state":"ok","message":"restarted","took_us":1200,"prev":"1679d74fd3ffc4f2ccb8d1c90d2ffb41f1edfb75e9aca214060551595b176e28"}`,
		`{"v":1,"seq":5,"time":"2026-11-20T00:00:04Z","event":"decision","job":"01KANSNYG0XJ5B4V0D3F6A7C8F","signer":"eve","key":"k2","plugin":"service","action":"stop","args":{"service":"nginx"},"decision":"refuse","reason":"policy","by":"no role of eve allows service.stop here","prev":"151da47a243461a50e712660ae75d922326b1bcc1c3ad89057711fb438240ce6"}`,
	}
	tells := func(more bool, lines ...any) map[string]client.Outcome {
		return map[string]client.Outcome{"node audit": says(job.OK, "5 lines of 5", map[string]any{"lines": lines, "more": more, "seq": int64(5), "hash": "945c"})}
	}
	return &scene{hosts: []sceneHost{
		{name: "web1", does: tells(true, lines...)},
		{name: "web2", does: tells(false, lines[2], lines[3], `{"v":1}`)},
		{name: "web3", gone: true},
	}}
}
