package node

// The keys of what is logged about jobs, hosts and the mesh: the same word for the same thing in every line, so that a log
// can be searched by them. Every line of a node has keyHost; every line about a job has keyJob and keySigner too.
const (
	keyHost   = "host" // this host's name in the fleet; others are "name"
	keyJob    = "job"  // the job's id
	keySigner = "signer"
	keyPlugin = "plugin"
	keyAction = "action"
	keyLoop   = "loop" // of the node's own
	keyError  = "error"
)
