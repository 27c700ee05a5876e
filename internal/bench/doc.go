// Command bench measures the real fleet binary as whole processes, beside floors taken in the same rounds, and prints a
// table; scripts/bench runs it. It is no test: it asserts nothing but that every answer is complete.
//
// It founds a fleet in a directory of its own, with one process of `fleet node` per host on loopback, and lets it grow
// to each size asked for. The first three hosts may carry a broker, the others are members. At each size it runs every
// command some times to warm up, then all commands in turn, round by round, so that what else the machine does falls on
// all of them alike; it shows the median, the smallest and the largest.
//
// The floors say what a time is to be compared with:
//
//	fleet version     a process that does nothing: what the kernel and Go's runtime take
//	bare NATS         a process that asks N others over one nats-server with mutual TLS 1.3 and waits for N answers
//	the same, signed  and each question and answer is signed with Ed25519 and verified, as fleet's are
//
// Resident memory is VmRSS from /proc, after the fleet was left alone for a while. All that was started is ended by its
// process id and the directory is removed, also on Ctrl-C.
package main
