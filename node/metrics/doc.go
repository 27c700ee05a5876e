// Package metrics shows a node's counters and health over HTTP to programs on the same host: /metrics in the text
// exposition format of Prometheus, /healthz and /readyz.
//
// There is no authentication, so it listens on a loopback address or a unix socket and nowhere else; Listen refuses any
// other. Nothing can be changed through it, and what it shows holds no secret. It uses a mux of its own: nats-server
// brings net/http/pprof with it, which puts itself onto the default one.
package metrics
