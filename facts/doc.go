// Package facts is what a host knows of itself: facts and classes, for filters, inventories and plugins.
//
// Collect reads a host once and answers with a Snapshot. It has three sources, later ones winning over earlier ones
// where they use the same name:
//
//  1. The built-in facts, read from /proc, /sys and /etc without running anything: Facter's structured names
//     ("os" -> "release" -> "major") and, derived from them, Facter's legacy flat ones (operatingsystemmajrelease).
//     Types are Facter 4's: a count is a number, a release is text.
//  2. The cloud: what cloud-init left in /run, and, only if a metadata URL is configured, the EC2 metadata service.
//  3. Custom facts: the files of the facts.d directories, fleet's own and Facter's.
//
// Custom facts come from people, so each file is bounded (limits.go) and stands alone: one that cannot be read, parsed
// or run becomes a Problem that names it, and every other fact is still there. Nothing custom is lost in silence: where
// two files define one fact the later one wins and a Problem says so. Executable facts are run only if nobody but root
// and the node's own user could have written them.
//
// A Keeper holds the last Snapshot, so that answering a job never waits for /proc or for somebody's slow script, and
// collects anew on a timer and on demand.
//
// Nothing in here asks the DNS or touches a network file system: facts must not hang when the network does.
package facts
