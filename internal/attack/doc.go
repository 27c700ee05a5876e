// Package attack tests the claims of docs/SECURITY.md: it runs a fleet of real processes on loopback and attacks it
// through real sockets, with one test for each attack, named after it. The package has no code but tests.
//
// Each test shows that the attack failed, that the hosts counted and logged it, and that the next honest job still works
// (a request for statistics). The strongest attacker is a captured broker: a nats-server with the stolen key of a real
// peer, which reads and publishes anything on every subject.
package attack
