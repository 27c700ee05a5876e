// Package gossip knows which nodes are in the fleet's mesh and keeps the fleet's signed documents.
//
// It has two largely independent halves:
//
//   - Gossip wraps hashicorp/memberlist: which nodes exist, where they are, whether they are alive, and which of them run
//     a broker.
//   - Store keeps replicated signed documents on disk. Gossip exchanges only its digest. If another node has something
//     newer, Config.OnDiffer is called, and its owner fetches the documents.
//
// Gossip is not identity. Whoever holds the gossip key can lie about which nodes are alive and where. So nothing here
// starts a job or grants a right; a document counts only because the verify function given to OpenStore accepts its
// signature. This package imports nothing else of fleet's: everything that concerns trust is passed in.
//
// # Documents
//
// All nodes keep the same version of each document (kind and name): the highest number wins, and of two versions with the
// same number the one with the greater hash (Ref.Beats). The order in which they come does not matter. A version carries
// the hashes of earlier ones. A node that drops a version which is not among the winner's earlier ones has noticed a lost
// change: it keeps that version for a week, to be reported (Store.Lost), or until a later version says that it makes the
// change again.
//
// A document that Put accepted is in force at once, in memory; if it cannot be written to disk, Mend tries again. A document
// says itself when it ends, and all nodes drop it then. An end (Facts.Ended) is a version like any other. It must not end
// before the versions that it replaces, or these could come back from a node that never saw it.
//
// # Members
//
// memberlist forgets a dead node after half a minute, and its NotifyLeave does not distinguish a crash from a leave (the
// exported Node.State is never set). So this package keeps its own table: a member is alive, failed or left, and is
// remembered until Config.Forget has passed. A node that shuts down in order first sets "leaving" in its metadata; that
// makes it left rather than failed. Nodes that miss this because packets are lost learn it from the next push/pull.
//
// Two parts of a mesh that lost each other for longer than that half minute would never meet again by memberlist
// alone. Run therefore keeps trying: while alone, every address it has ever heard of, with a growing wait; otherwise
// now and then one of the members that are gone, as Serf does. The table is stored on disk, so a reboot needs no seed.
//
// # One id at two addresses
//
// Anybody with the gossip key can claim any id. So an id that is heard from two addresses is only a claim until both have
// signed a challenge with its key (ask.go); what a key is, Config.Prove and Proven know. The node whose id it is asks the
// other address; those who run a broker, and tell clients, ask both in the same seconds. A node signs only challenges that
// name its own address, so that one who has no key cannot have another sign for him.
//
// # Which hosts should answer
//
// A host that should answer and does not must be reported, even by a node that was not running when it failed. Two
// mechanisms ensure that. A node that starts again reads its table from disk; members that were alive count as failed,
// since the time they were last seen, until they are heard of. And push/pulls name the members that are gone, so that
// a new node learns of them.
//
// What others say about a member that is gone is hearsay with little weight (table.learn): it never changes one that is
// alive here, nor one heard of later. It is forgotten after the same times, counted from when the member went away, and
// is not accepted at all in the last twentieth of them, so that a member that is forgotten here does not come back from
// elsewhere. It fills at most half of the table. Whoever holds the gossip key can still invent hosts, or say that a
// failed one left: see "Gossip is not identity" above.
//
// # Metadata on the wire, layout 1
//
// Each node announces at most 512 bytes, memberlist's bound; with usual host names it is 20 to 50. Short metadata makes
// a large mesh converge quickly.
//
//	1  layout, 1
//	1  flags: 1 peer, 2 pinned, 4 ephemeral, 8 broker, 16 leaving; the rest must be 0
//	1  version of fleet's own protocol
//	n  seconds since 1970 at which the process started, shortest uvarint, below 2^40
//	4  only with the broker flag: client port, not 0, and route port, both big endian
//	1  length of the host name, 1 to 253
//	n  host name: ASCII letters, digits, '.', '-' and '_', a letter or digit at each end
//
// Nothing may follow. The node's id is memberlist's node name: 1 to 64 of a-z, 0-9 and '-'. A node whose name or
// metadata does not decode is not admitted to the table. What decodes encodes to the same bytes.
//
// # State exchanged by push/pull, layout 2
//
//	1  layout, 2
//	1  length of the sender's id
//	n  the sender's id, unverified like everything here
//	n  number of members that are gone, shortest uvarint, at most 2,048; each is
//	   1  length of its id
//	   n  its id
//	   1  length of its address, 4 or 16
//	   n  its address; 16 bytes are not a mapped IPv4 address
//	   2  its port, big endian, not 0
//	   n  its last metadata as above, without the broker flag; with the leaving flag it left, without it failed
//	   n  since when, seconds since 1970 by the clock of the node that noticed, shortest uvarint, below 2^40
//	n  the digest, to the end; see Store.Digest
//
// # Challenges and answers
//
// User messages by UDP, at most 512 bytes; ids and addresses as above.
//
//	1  kind, 1: a challenge                1  kind, 2: an answer
//	16 nonce                               16 nonce of the challenge
//	n  id whose key is asked for           n  proof over all bytes of the challenge, at most 256
//	n  address and port that are asked
//	n  id of whoever asks, unverified
//	n  address and port for the answer
//
// One more kind, 3, has no more than that byte: somebody waits for the node that it is sent to, and Reach asks for it.
//
// # Members file
//
// A JSON file, {"schema":"fleet.members/1","members":[...]}, with at most 8,192 members sorted by id, mode 0600; the fields
// are those of savedMember. It holds the whole table except this node and, while this node is alone, some forgotten
// members, for their addresses. It is written as a whole, by rename, some seconds after a change and at the end. A file
// that does not decode is logged and replaced.
package gossip
