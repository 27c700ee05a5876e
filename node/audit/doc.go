// Package audit is what a node tells people of what it decided and did: one JSON line each, in an order that cannot be
// changed without a trace.
//
// A directory holds
//
//	audit.log                       the lines, oldest first; every write is one write(2) of a whole line
//	audit-00000000000000000042.log  older ones, named after the seq of their last line; Keep of them
//	audit.head                      seq and hash of the last line, so that a cut at the end is found
//
// Each line carries its number, seq, and in prev the SHA-256 of the line before it, without its line break; the first
// line of a new file continues the chain of the file before. So a line that was edited, taken out, put in twice or put
// elsewhere breaks the chain at that place, and Verify names it. The chain has no key: whoever is root on the host can write
// all of it anew, from any line to the end, and audit.head with it. What finds that is a seq and hash that somebody
// noted elsewhere (`fleet audit HOST` shows them).
//
// What strangers can cause, such as bytes that do not verify, has a limit a minute (AddLimited) and is counted beyond it,
// so that a flood neither fills the disk nor drives other lines out of the files that are kept.
//
//	line.go    one line: its fields, its bounds, its strict decoder
//	log.go     Open, Add: numbers, hashes, rotation, the head
//	open.go    where the chain was left, after a stop or a crash
//	flood.go   limits on what strangers can cause
//	read.go    the newest lines, for those who ask
//	verify.go  is the chain whole?
package audit
