// Package gossip knows who is in the fleet's mesh and keeps the fleet's signed documents.
//
// It has two halves that know little of each other:
//
//   - Gossip wraps hashicorp/memberlist: which nodes are there, where, alive or not, and which carry a broker.
//   - Store keeps replicated signed documents on disk. Gossip carries only its digest; the bodies are fetched by
//     whoever is told, through Config.OnMissing, that another node has something newer.
//
// Gossip is not identity. Whoever holds the gossip key can lie about who is alive and where. So nothing here starts a
// job or grants a right; a document counts only because the verify function given to OpenStore accepts its signature.
// This package imports nothing else of fleet's: whatever has to do with trust is handed in.
//
// # Members
//
// memberlist forgets a dead node after half a minute, and its NotifyLeave does not tell a crash from a leave (the
// exported Node.State is never set). So this package keeps its own table: a member is alive, failed or left, and
// stays known until Config.Forget has passed. A node that stops in order says "leaving" in its metadata first; that
// makes it left rather than failed. Who misses this news, where packets are lost, is told by the next push/pull.
//
// Two parts of a mesh that lost each other for longer than that half minute would never meet again by memberlist
// alone. Run therefore keeps trying: while alone, everyone it has ever heard of, with a growing wait; otherwise now
// and then one of those that are gone, as Serf does. The table is kept on disk, so that a reboot needs no seed.
//
// # Who should be there
//
// A host that should answer and does not must be named, also by a node that was not there when it failed. Two ways lead
// to that. A node that starts anew reads its table from disk; whoever was alive has failed since it was last seen, until
// it is heard of. And push/pulls name the members that are gone, so that a newcomer learns of them.
//
// What others say of a member that is gone is hearsay and counts for little (table.learn): it never touches one that is
// alive here, nor one heard of later; it is forgotten by the same times, counted from when the member went, and not taken
// up at all in the last twentieth of them, so that what is forgotten here does not come back from elsewhere; and it fills
// at most half of the table. Who holds the gossip key can invent hosts all the same, or say of one that failed that it
// left: see the paragraph on identity.
//
// # Metadata on the wire, layout 1
//
// Each node announces at most 512 bytes, memberlist's bound; with usual host names it is 20 to 50. Short metadata is
// what makes a large mesh converge quickly.
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
//	n  the sender's id, a claim like everything here
//	n  how many members follow that are gone, shortest uvarint, at most 2,048; each is
//	   1  length of its id
//	   n  its id
//	   1  length of its address, 4 or 16
//	   n  its address; 16 bytes are not an IPv4 address in disguise
//	   2  its port, big endian, not 0
//	   n  its last metadata as above, without the broker flag; with the leaving flag it left, without it failed
//	   n  since when, seconds since 1970 by the clock of who noticed, shortest uvarint, below 2^40
//	n  the digest, to the end; see Store.Digest
//
// # Members file
//
// A JSON file, {"schema":"fleet.members/1","members":[...]}, with at most 8,192 members sorted by id, mode 0600; the fields
// are those of savedMember. It holds the whole table but for this node, and, while this node is alone, some members that
// are forgotten, for their addresses. It is written whole, by rename, some seconds after a change and at the end. A file
// that does not decode is logged and started anew.
package gossip
