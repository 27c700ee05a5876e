// Command bench measures the real fleet binary beside floors taken in the same run, and prints tables; scripts/bench runs it.
// It is no test: it asserts nothing but that every answer is complete. It has parts, each with a fleet of its own in a
// directory of its own; without a name all of them run, one after another:
//
//	commands   whole processes of the client, while a fleet of real processes grows
//	converge   how long it takes until a ping tells of a new host, a crash, a host that is back
//	idle       CPU time, bytes and memory of nodes that have nothing to do
//	stampede   many hosts started at once with one token
//	simulated  `fleet sim` with thousands of hosts, and the death of a broker under a thousand
//
// A fleet of processes is one of `fleet node` per host on loopback. The first three hosts may carry a broker, the others are
// members. Commands are measured in turn, round by round, so that what else the machine does falls on all of them alike;
// the median, the smallest and the largest are shown.
//
// The floors say what a time is to be compared with:
//
//	fleet version     a process that does nothing: what the kernel and Go's runtime take
//	NATS              one that asks N others over one nats-server and waits for N answers of 300 bytes; bare, or with mutual TLS 1.3
//	signed            each question and answer is signed with Ed25519 too, and verified
//	sealed            and each answer is sealed to the asker with HPKE, as fleet's are: what fleet would be if it did nothing else
//
// Beside `fleet sim` the floor is shaped as that is: N connections in one process, the asker in the same, the broker in another.
// All that was started is ended by its process id and the directories are removed, also on Ctrl-C.
package main
