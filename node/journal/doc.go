// Package journal is what a node remembers of jobs, so that none runs twice: not by redelivery, not by replay, not
// across a restart of the node.
//
// A job is claimed before its action starts, and only the first claim of an id succeeds. There are two books, because
// the two kinds of jobs have different needs:
//
//   - changes are written to an embedded database (bbolt) and are on disk (fsync) before Claim returns. Their results are
//     written there too and answer later copies of the job. A claim that cannot be written is refused: on a full disk
//     nothing is changed.
//   - reads are written to a ring of fixed size that was allocated when the node started. That needs no room, so that a
//     host with a full disk can still be looked at, and no fsync, so that a question costs no disk access. It survives
//     the end of the process. It may not survive a crash of the whole machine; therefore a read that was signed before
//     this machine booted is refused.
//
// Both books forget a job only after it has expired, when the gate refuses it anyway.
package journal
