// Package mesh is a node's place among the others: who is there, whether this node runs a broker, and its connection to one.
//
//	mesh.go         New, Run and the order of stopping; what the node may ask of the mesh from any goroutine
//	loop.go         the mesh loop, which alone decides about the next three, again and again, by what gossip says
//	role.go         whether this node runs a broker
//	connection.go   which broker this node is connected to
//	dial.go         getting there, beside the loop: one broker at a time
//	services.go     what is answered and heard over that connection
//	probe.go        is a host there at this moment? asked of this node, and by it of others
//	members.go      who is there, by gossip and by connections
//	connections.go  who is connected to a broker: watched on this node's own, told to and heard from the other peers
//	outbound.go     where the brokers are, beside what gossip says now; a host that it says nothing to asks how the mesh stands
//	duplicate.go    one key on two machines
//	link.go         a connection for one question, of somebody who is no node
//
// What the loop decides with (loop, role) exists in Run only, so nobody else can touch it; what others may see of it the loop
// stores in shown. The mesh knows neither jobs nor documents: it hands on the bytes that come, by subject.
package mesh
