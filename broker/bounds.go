package broker

import "time"

// What one connection may take of a broker, and of all the others, which hear of each subscription. A joining host has 1
// subscription, a node 5 to 20, depending on its role, and an admin 1 and one more for each run that is under way.
const (
	// maxSubs bounds the subscriptions of one connection. nats-server refuses those beyond it, and leaves the connection.
	maxSubs = 64
	// maxSubTokens bounds the words of a subject that is subscribed to: those of the fleet have five at most (job/subject.go), and
	// each costs a level in the index of every broker.
	maxSubTokens = 8
	// maxControlLine bounds one line of the NATS protocol but for the payload, in bytes: a subject or a queue group is at most that
	// long, and the first line of a client, which is the longest, has about 250.
	maxControlLine = 1024
)

// bounds are what a connection may take, by the kind of principal. Whoever goes beyond one is disconnected at the next look.
type bounds struct {
	subs        int
	connections int // of one key
	pending     int // bytes that wait for it to read them
	rate        rate
}

// rate is what a connection may publish for long in a second; burst seconds' worth of it at once. Zero is no bound.
type rate struct{ messages, bytes float64 }

// burst is how many seconds' worth of its rate a connection may publish at once.
const burst = 10

// boundsOf has each bound far above what an honest one needs, so that only abuse meets it.
func boundsOf(k kind) bounds {
	switch k {
	case joining:
		// A token may be in the hands of many hosts that boot at once, each of which asks one question and gets one answer, of a
		// payload at most.
		return bounds{subs: 4, connections: 256, pending: 2 << 20, rate: rate{1, 64 << 10}}
	case member:
		// It has one connection, and two while it moves to another broker; those that broke without a word stay for up to a minute.
		// Signing alone bounds a host to some thousand replies a second.
		return bounds{subs: 32, connections: 8, pending: 16 << 20, rate: rate{10_000, 32 << 20}}
	case peer:
		// A peer answers for the mesh, with up to a payload to each host that asks, and holds the issuing key: its rate is not bounded.
		return bounds{subs: maxSubs, connections: 8, pending: 64 << 20}
	case admin:
		// One key may be used by many commands at once. Thousands of replies meet one admin: an inventory of 10,000 hosts is 200 MB.
		// A job to 100 hosts by name is 100 messages, once a second until they have answered.
		return bounds{subs: maxSubs, connections: 128, pending: maxPending, rate: rate{2_000, 16 << 20}}
	}
	return bounds{}
}

const (
	// lookEvery is how often the connections are looked through.
	lookEvery = time.Second
	// weighEvery is how often it is asked how much memory the process takes, for weighFor after garbage was collected. A heap that has
	// grown to twice its size was, and without that a broker at rest would wake twenty times a second.
	weighEvery, weighFor = 50 * time.Millisecond, time.Second
	// pauseFor is how long a key is not let in that published more than its rate, or a token from the same address.
	pauseFor = 10 * time.Second
	// maxJoining and maxJoiningFrom bound the hosts that are connected with a token: all of them, and those of one address, behind
	// which may be a network. A connection with a token lasts for a minute at most, and usually for a second.
	maxJoining, maxJoiningFrom = 1024, 128
	// maxPending bounds what waits for one connection to read it, in bytes, at any moment: nats-server closes it then.
	maxPending = 256 << 20
	// handshakeFor is how long a connection may take to say who it is, when too many others do not either, or a reload waits for it.
	handshakeFor = 2 * time.Second
)

// The log lines that one key can cause, and those that all who have none cause together: so many at once, and so many a second.
const logBurst, logRate = 120, 2

// room is what all connections together may take.
type room struct {
	connections int // nats-server refuses those beyond it
	pending     int // bytes; whoever has most of them is disconnected first
}

// A connection takes some 60 KB, and what waits for it. Each of both may take an eighth of the memory that the process may have; the
// rest is for what else a host does. A broker of 10,000 hosts has 10,000 connections while the others are down.
const (
	roomShare                      = 8
	connectionBytes                = 64 << 10
	minConnections, maxConnections = 2048, 20_000
	minRoom, maxRoom               = 64 << 20, 512 << 20
)

// roomIn is the room of a process that may have that much memory, in bytes.
func roomIn(memory int64) room {
	share := memory / roomShare
	return room{
		connections: int(min(max(share/connectionBytes, minConnections), maxConnections)),
		pending:     int(min(max(share, minRoom), maxRoom)),
	}
}
