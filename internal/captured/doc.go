// Package captured plays a peer in the hands of an attacker, for tests: with all that stands on the peer's disk, and bound by
// none of fleet's rules. It is the strongest attacker of docs/SECURITY.md: a nats-server that shows the peer's certificate to the
// other brokers and carries what its owner likes, on every subject.
//
//	disk.go     what a node's data directory tells its thief
//	broker.go   the broker: listening, speaking on every subject, answering in place of the honest brokers' nodes
//
// internal/attack uses it on loopback, internal/e2e in the lab.
package captured
