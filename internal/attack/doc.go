// Package attack is the proof of docs/SECURITY.md: it runs a fleet of real processes on loopback and attacks it through
// real sockets, one test for each attack, named after it. There is nothing here but tests.
//
// Each test says what was tried, that it failed, that the hosts counted and logged it, and that the honest next job still
// works (stats, which is one). The strongest attacker is the captured broker: a nats-server with the stolen key of a real
// peer, which hears and says on every subject what it likes.
package attack
