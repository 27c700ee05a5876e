// Package logkey names the keys of log lines: every package uses the same key for the same thing, so that a log can be
// searched by them. Each line of a node has Host; each line about a job also has Job and Signer. A key is one lower-case
// word, or several joined by underscores.
package logkey

const (
	Error     = "error"     // what failed
	Component = "component" // of an embedded library: who says it
	File      = "file"
	Count     = "count"
	Limit     = "limit"
	Omitted   = "omitted"  // lines like this one that were not written, since there were too many
	Retry     = "retry_in" // how long until it is tried again
	After     = "after"    // how long was waited
	Took      = "took"
	Since     = "since" // when it began
	Expires   = "expires"

	// Hosts and the mesh.
	Host       = "host" // this host's name in the fleet; others are Name
	Name       = "name"
	Configured = "configured" // what the config or the machine says instead
	Node       = "node"       // a node's id
	Addr       = "addr"
	Other      = "other" // the second address where there should be one
	Self       = "self"  // whether this node is meant
	State      = "state"
	Role       = "role"
	Labels     = "labels"
	Token      = "token"
	Key        = "key" // a key's id, never the key
	Skew       = "skew"
	Broker     = "broker"
	Brokers    = "brokers"
	Clients    = "clients" // where a broker listens for them
	Routes     = "routes"
	Nodes      = "nodes" // how many are connected
	Hosts      = "hosts" // how many are known by it
	Loop       = "loop"  // of the node's own

	// Documents: Document is kind, name and version in one.
	Document = "document"
	Version  = "version"
	Hash     = "hash"   // the first four bytes of a version's
	Winner   = "winner" // hash of the version kept instead
	Admins   = "admins"
	Keys     = "keys" // of a root

	// Jobs.
	Job       = "job"        // the job's id
	JobReason = "job_reason" // why its signer sends it
	Plan      = "plan"       // the id of the change that the job is a portion of
	Signer    = "signer"
	Plugin    = "plugin"
	Action    = "action"
	Args      = "args"
	Reason    = "reason" // the word for why a job was refused
	Message   = "message"
	Package   = "package"
)
