// Package fleettest runs a whole fleet in one process, on loopback, for tests: real brokers, real gossip, real
// certificates, and short intervals. It never waits for a fixed time; it waits for events, bounded by the test's context.
package fleettest
