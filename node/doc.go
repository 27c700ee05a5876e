// Package node is the agent on a host, from the token that lets it in to the signed reply.
//
// A node's life, in the order of the files:
//
//	datadir.go    what it keeps on disk: its key, its certificate, the pinned root; one process at a time
//	found.go      the first host of a fleet
//	join.go       a new host with a token becomes a node
//	node.go       New and Run: everything is put together and started here, and stopped in the opposite order
//	documents.go  signed documents over the mesh: announced, fetched, offered, handed out
//	force.go      what is stored is in force: the roster with all revocations, and the shared keys
//	waiting.go    jobs that wait for a second admin's signature
//	admission.go  peers only: letting others in, and renewing certificates
//	renew.go      this node's own certificate, before it runs out
//	rotate.go     the shared keys, of gossip and for issuing, and their replacement
//	policyfile.go the host's own policy
//	host.go       what filters and plugins see of this host (standing.go, forget.go)
//	auditing.go   what happened beside jobs, for audit/ to keep
//	heartbeat.go  a loop that hangs is noticed
//	health.go     whether the node is well, and its metrics (measure.go)
//	probe.go      what `fleet doctor` asks of a node from the outside
//
// Who is there and how messages come and go is mesh/; what happens to one job is runner/. gate/ decides whether a job may run,
// journal/ remembers that it did, audit/ tells people.
package node
