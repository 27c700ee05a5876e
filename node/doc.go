// Package node is the agent on a host, from the token that lets it in to the signed reply.
//
// A node's life, in the order of the files:
//
//	datadir.go    what it keeps on disk: its key, its certificate, the pinned root; one process at a time
//	join.go       a new host with a token becomes a node
//	node.go       New and Run: everything is started here, and stopped in the opposite order
//	mesh.go       the loop that keeps the next two as gossip says they should be, and what a peer answers for the mesh
//	role.go       whether it carries a broker
//	outbound.go   a host that does not gossip asks brokers' nodes how the mesh stands
//	connection.go the connection to one
//	auditing.go   what happened beside jobs, for audit/ to keep
//	members.go    who is there, for those who ask
//	documents.go  the roster and other signed documents, fetched when gossip says that somebody has a newer one
//	admission.go  peers only: letting others in, and renewing certificates
//	renew.go      this node's own certificate, before it runs out
//	rotate.go     the shared keys, of gossip and for issuing, and their replacement
//	host.go       what filters and the rpcutil plugin see of this host
//
// What happens to one job is runner/; gate/ decides whether it may run, journal/ remembers that it did, audit/ tells people.
package node
