// Package runner is what happens to one job on a host, from the bytes that came to the signed reply that goes out.
//
//	runner.go   New, Receive, Stop: a job comes and is judged; how many at once; the order of stopping
//	run.go      what passed the gate runs: the action, its time limit, how it ended
//	detach.go   actions in processes of their own: begun, waited for, taken up again by the next agent
//	answer.go   the replies to one job: accepted, the last one, and the answer to a copy
//	result.go   a reply made of what a plugin returned
//	running.go  the jobs under way, so that one can be cancelled
//	recent.go   the last replies to reads
//	records.go  what is told of jobs later
//	counts.go   how many jobs ended how
//	limits.go   all limits
//
// It knows no network: jobs are handed to it and replies are taken from it as bytes. Nor does it decide anything: what may run
// comes from the gate as a gate.Passed.
package runner
