// Package logkey names the keys of log lines: every package uses the same key for the same thing, so that a log can be
// searched by them. Each line of a node has Host; each line about a job also has Job and Signer.
package logkey

const (
	Host   = "host" // this host's name in the fleet; that of another is Name
	Name   = "name"
	Node   = "node" // a node's id
	Job    = "job"  // the job's id
	Signer = "signer"
	Plugin = "plugin"
	Action = "action"
	Loop   = "loop" // of the node's own
	Broker = "broker"
	File   = "file"
	Error  = "error"    // why; an error
	Retry  = "retry_in" // how long until it is tried again
)
