// Package presence knows the hosts that hold a connection to a broker, and those that held one. Who gossips is known
// without it; a host that nobody can reach from outside (gossip = false) is known by it alone.
//
// Each peer has a Table. Beside a broker it is fed with the broker's own connections, and says what changes to the other
// peers, on fleet.presence.PEER: changes as they come, at least a heartbeat every two seconds, and the whole every ten
// minutes and when somebody asks, at once, but not more than once a second. Messages of one peer are numbered, so a lost one
// is noticed and the whole is asked for. A peer that has just begun to run a broker says who is there only when the
// others have told it all (Complete).
// Peers without a broker only listen, so that they know whom to miss when they have to run one.
//
// A host is connected while any broker says so, and a few seconds longer: it may be on its way to another. Then it has
// failed, or left if it said so (fleet.leave.NODE). That is remembered, on disk too, for as long as the host's kind asks.
// All of it is hearsay among peers, as gossip's word is: it triggers nothing, and says only who is expected to answer.
package presence
