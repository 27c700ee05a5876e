// Package journal is what a node remembers of jobs, so that none runs twice: not by redelivery, not by replay, not
// across a restart of the node, not under a wrong clock; and so that none runs that was refused.
//
// The first job of an id is held for who asked (Begin): copies are told that it runs. A change that is to run is claimed before its
// action starts; what does not run is let go of (Release), and is remembered where it was refused (Refuse). There are three books, because they have different needs:
//
//   - changes are written to an embedded database (bbolt) and are on disk (fsync) before ClaimChange returns. Their results are
//     written there too and answer later copies of the job. A claim that cannot be written is refused: on a full disk
//     nothing is changed.
//   - reads are written to a ring of fixed size that was allocated when the host was admitted, half of
//     it at most for one signer. That needs no room, so that a
//     host with a full disk can still be looked at, and no fsync, so that a question costs no disk access. It survives
//     the end of the process. It may not survive a crash of the whole machine; therefore a read that is older than this
//     machine has been up is refused.
//   - refusals are written to another such file, by what came and not by id: a job that lacked a signature can come again with it.
//
// # Damage
//
// The database's file is read whole before bbolt may open it (pages.go), and it must hold exactly the claims that the last
// transaction left (state.go). A file that does not, or that turns out to be damaged while it is in use, is moved aside, and an empty one takes
// its place. That one knows when it was born, and that it is not the first of this host; until nothing that was signed before
// its birth can be alive, it refuses changes that were (docs/adr/0018). Where the disk cannot be written, the file is read all the
// same, and changes are refused until it can.
//
// # Time
//
// What is kept for a time is kept by the time that the host has run (clock.go), which does not jump. The wall clock only says
// when something was, and how old a job is now. When a claim is forgotten, the latest expiry of those that were forgotten stays
// known: a change that expires no later is refused, because it may have been one of them.
package journal
