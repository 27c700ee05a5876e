// Package fleettest runs a whole fleet in one process, on loopback, for tests: real brokers, real gossip, real
// certificates, and fast intervals. Nothing in it waits for a time; it waits for events, bounded by the test's context.
package fleettest
