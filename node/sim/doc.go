// Package sim runs thousands of hosts that do not exist, against real brokers, for measuring and for trying how the
// client accounts: `fleet sim`.
//
// A simulated host is made of a real node's parts: its own keys and certificate, its own TLS connection that verifies the
// broker, the subscriptions, the gate with the roster, and the runner (node/runner), which judges, runs, signs, seals and answers
// copies as on any host. What it lacks is what would make a thousand of them too heavy for one machine: gossip, a journal on disk
// (it has one in memory), an audit, facts, and plugins that do something. Nothing in the product is switched off for them: they are
// let in with a certificate like everybody, and the client verifies each of their replies.
//
// Some of them lie, lag or fail (misbehave.go), as asked for; which ones follows from the seed. What each did about each job is kept, so
// that what a client reports can be compared with what really was (World.Compare).
package sim
