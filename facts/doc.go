// Package facts collects what a host knows about itself: facts and classes, for filters, inventories and plugins.
//
// Collect reads a host once and returns a Snapshot. It has three sources; a later one wins over an earlier one that
// uses the same name:
//
//  1. The built-in facts, read from /proc, /sys and /etc without running anything: Facter's structured names
//     ("os" -> "release" -> "major") and, derived from them, Facter's legacy flat ones (operatingsystemmajrelease).
//     Types are Facter 4's: a count is a number, a release is text.
//  2. The cloud: what cloud-init left in /run and, only if a metadata URL is configured, the EC2 metadata service.
//  3. Custom facts: the files of the facts.d directories, fleet's own and Facter's.
//
// Custom facts are written by people, so each file is bounded (limits.go) and independent: one that cannot be read,
// parsed or run becomes a Problem that names it, and all other facts are still there. No custom fact is lost silently:
// if two files define one fact, the later one wins and a Problem says so. Executable facts are run only if nobody but
// root and the node's own user could have written them.
//
// A Keeper holds the last Snapshot, so that answering a job never waits for /proc or for a slow script. It collects
// again on a timer and on demand.
//
// Nothing here asks the DNS or accesses a network file system: facts must not hang when the network does.
package facts
