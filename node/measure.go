package node

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"fleet/identity"
	"fleet/job"
	"fleet/node/gate"
	"fleet/node/metrics"
	"fleet/node/runner"
)

// measure writes what the node counts and how it stands.
func (n *Node) measure(p *metrics.Page) {
	n.measureJobs(p)
	n.measureMesh(p)
	n.measureSelf(p)
}

// family writes a counter with all values that its label can have, so that one that was never counted is 0 and not missing:
// rates and alerts need that.
func (n *Node) family(p *metrics.Page, c runner.Counter, name, help, label string, values ...string) {
	for _, v := range values {
		p.Counter(name, help, n.runner.Count(c, v), metrics.Label{Name: label, Value: v})
	}
}

func (n *Node) measureJobs(p *metrics.Page) {
	var ends []string
	for _, m := range job.States() {
		if m.ByResult || m.State == job.Denied {
			ends = append(ends, string(m.State))
		}
	}
	n.family(p, runner.Ended, "fleet_jobs_total", "Jobs that ended here, by outcome.", "outcome", append(ends, runner.NoMatch, runner.WouldRun)...)
	n.family(p, runner.Refused, "fleet_jobs_refused_total", "Jobs that verified and were refused, by reason.", "reason", string(job.ReasonFleet), string(job.ReasonExpired), string(job.ReasonClock),
		string(job.ReasonSeen), string(job.ReasonRoster), string(job.ReasonPolicy), string(job.ReasonSecond), string(job.ReasonAction), string(job.ReasonDeclared),
		string(job.ReasonHosts), string(job.ReasonArguments), string(job.ReasonFilter), string(job.ReasonJournal), string(job.ReasonAudit))
	n.family(p, runner.Dropped, "fleet_messages_dropped_total", "Messages on the job subjects that were dropped without an answer, by reason.", "reason",
		string(gate.Malformed), string(gate.Stranger), string(gate.Forged), runner.TooMany)
	p.Counter("fleet_jobs_busy_total", "Jobs answered with busy, each time they came: they found no room.", n.runner.Count(runner.PutOff, ""))
	n.family(p, runner.Replies, "fleet_replies_total", "Replies, including acceptances, by whether they could be sent.", "outcome", runner.Sent, runner.Unsent)
	p.Counter("fleet_jobs_repeated_total", "Copies of jobs that were answered without running anything.", n.runner.Count(runner.Repeated, ""))
	p.Gauge("fleet_jobs_running", "Jobs being checked or run now.", float64(n.runner.Busy()))
	p.Counter("fleet_journal_errors_total", "Results that could not be stored in the journal, and failed cleanups. A job that could not be claimed counts as refused.",
		n.runner.Count(runner.JournalErrors, "")+n.uncleaned.Load())
	p.Counter("fleet_audit_errors_total", "Audit log lines that could not be written.", n.audit.Failed())
}

func (n *Node) measureMesh(p *metrics.Page) {
	seen := n.presences()
	for _, presence := range []job.Presence{job.Alive, job.MemberFailed, job.Left} {
		p.Gauge("fleet_members", "Hosts that this one knows, itself included, by presence.", float64(seen[presence]), metrics.Label{Name: "presence", Value: string(presence)})
	}
	t := n.mesh.Traffic()
	p.Gauge("fleet_connected", "1 while a broker is connected.", oneIf(n.mesh.Connected() != ""))
	p.Counter("fleet_reconnects_total", "Times that the connection to a broker was lost and restored.", int64(t.Reconnects))
	p.Gauge("fleet_broker", "1 while this host runs a broker.", oneIf(n.mesh.RunsBroker()))
	p.Gauge("fleet_broker_clients", "Connections of hosts and admins to this host's broker.", float64(t.Clients))
	p.Gauge("fleet_broker_routes", "Other brokers that this host's broker has a route to.", float64(len(t.Routes)))
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (n *Node) measureSelf(p *metrics.Page) {
	self := n.self.Load()
	p.Gauge("fleet_certificate_expiry_timestamp_seconds", "When this host's certificate runs out.", metrics.Stamp(self.NotAfter))
	p.Gauge("fleet_certificate_renewed_timestamp_seconds", "When this host's certificate was issued, by the clock of the peer that did.", metrics.Stamp(self.NotAfter.Add(-identity.NodeLife)))
	p.Gauge("fleet_roster_version", "Version of the roster in force here.", float64(n.roster.Load().Version))
	p.Gauge("fleet_documents", "Signed documents kept here.", float64(len(n.docs.List())))
	p.Gauge("fleet_documents_unsaved", "Signed documents that are in force here and could not be written to disk.", float64(len(n.docs.Unsaved())))
	p.Gauge("fleet_documents_lost", "Changes of documents that lost to concurrent ones within the last week and were not made again.", float64(len(n.docs.Lost())))
	ages := n.heartbeats.ages()
	for _, loop := range slices.Sorted(maps.Keys(ages)) {
		p.Gauge("fleet_loop_age_seconds", "Time since each of the node's loops last ran; above "+strconv.Itoa(int(loopLimit.Seconds()))+" the loop hangs.",
			ages[loop].Seconds(), metrics.Label{Name: "loop", Value: loop})
	}
	p.Gauge("fleet_start_timestamp_seconds", "When the node started.", metrics.Stamp(n.started))
	p.Gauge("fleet_build_info", "Always 1; what runs here.", 1, metrics.Label{Name: "version", Value: n.config.Version},
		metrics.Label{Name: "protocol", Value: strconv.Itoa(job.Protocol)}, metrics.Label{Name: "go", Value: runtime.Version()})
	var m runtime.MemStats
	runtime.ReadMemStats(&m) // runtime/metrics describes itself before main, in each command
	p.Gauge("fleet_go_heap_bytes", "Of the Go runtime: MemStats.HeapAlloc.", float64(m.HeapAlloc))
	p.Gauge("fleet_go_memory_bytes", "Of the Go runtime: MemStats.Sys.", float64(m.Sys))
	p.Gauge("fleet_go_goroutines", "Of the Go runtime: goroutines.", float64(runtime.NumGoroutine()))
	if rss, ok := residentBytes(); ok {
		p.Gauge("fleet_resident_bytes", "Resident memory of the node's process.", float64(rss))
	}
}

// residentBytes is the process's resident memory, where the kernel tells (Linux).
func residentBytes() (int64, bool) {
	raw, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
