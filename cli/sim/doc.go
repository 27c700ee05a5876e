// Package sim runs `fleet sim`: a fleet of its own on loopback, whose brokers are real nodes, each a process, and whose hosts are
// simulated (node/sim). It asks them as an admin does, measures, and compares what the client reports with what the hosts did.
package sim
