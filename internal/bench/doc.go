// Command bench measures the real fleet binary next to baselines ("floors") taken in the same run, and prints tables;
// scripts/bench runs it. It is not a test: it asserts only that every answer is complete. It has parts, each with a
// fleet of its own in a directory of its own; without a name all of them run, one after another:
//
//	commands   whole processes of the client, while a fleet of real processes grows
//	startup    page faults and CPU time of short commands and of an idle node
//	converge   time until a ping reports a new host, a crash, a host that is back
//	idle       CPU time, bytes and memory of idle nodes
//	stampede   many hosts started at once with one token
//	simulated  `fleet sim` with thousands of hosts, and the death of a broker that serves a thousand
//
// A fleet of processes is one `fleet node` per host on loopback. The first three hosts may run a broker, the others are
// members. Commands are measured in turn, round by round, so that other load on the machine affects all of them alike.
// The median, the smallest and the largest value are shown.
//
// The floors say what to compare a time with:
//
//	fleet version     a process that does nothing: the cost of the kernel and Go's runtime
//	NATS              asks N others over one nats-server and waits for N answers of 300 bytes; bare, or with mutual TLS 1.3
//	signed            the same, and each request and answer is signed with Ed25519 and verified
//	sealed            the same, and each answer is sealed to the asker with HPKE, as fleet does: fleet if it did nothing else
//
// Next to `fleet sim` the floor has the same shape: N connections in one process, the asker in the same process, the
// broker in another. Every process that was started is ended by its process id, and the directories are removed, also
// on Ctrl-C.
package main
