package mesh

import "time"

const (
	// RequestTimeout bounds one question to the mesh.
	RequestTimeout = 5 * time.Second
	// joinWait is how long a node that knows others looks for them before it takes itself for the first.
	joinWait = 10 * time.Second
	// meshTick is how often the mesh is looked at without news from gossip, in case some was lost.
	meshTick = 5 * time.Second
	// connectTimeout bounds each step of connecting to one broker. It is for a storm, in which thousands of handshakes wait for each
	// other. reachTimeout bounds the TCP connection before them, which the broker's kernel takes: 3 attempts.
	connectTimeout = 10 * time.Second
	reachTimeout   = 5 * time.Second
	// brokerPatience is for how long a broker may say nothing when this node, which somebody misses, asks it whether it is there, until
	// the node looks for another one. That it has been wrong costs a move and no message.
	brokerPatience = time.Second
	// writeTimeout bounds one write to a broker that reads nothing: for the largest message, it is a line of 50 kB/s.
	writeTimeout = 20 * time.Second
	// redialWait is how long a node that no broker took waits before it tries them again, and redialJitter how much longer at most.
	redialWait, redialJitter = 200 * time.Millisecond, 2 * time.Second
	// maxMoveWait bounds the wait between two attempts to move to the preferred broker, which may hang, while another one serves.
	maxMoveWait = 5 * time.Minute
	// enoughTried is how many brokers that do not take a node are enough to say so: somebody may have invented thousands.
	enoughTried = 8
	// strandedFor is how long a peer looks for a broker that gossip names before it runs one itself.
	strandedFor = 15 * time.Second
	// drainFor bounds how long a broker that stops waits for the nodes on it to go elsewhere. They do when gossip tells them,
	// within about a second.
	drainFor = 8 * time.Second
	// drainTick is how often it is looked whether they have.
	drainTick = 50 * time.Millisecond
	// linger is how long a route is kept to a live peer that runs no broker any more: until the nodes on that one have moved, they
	// are reached by it alone.
	linger = drainFor + 2*time.Second
)

// What waits for an answer. Each kind of question has a queue of its own, so a flood of one delays no other.
const (
	// maxQuestions is how many questions of one kind wait at one node beside a broker; further ones are dropped, and asked again by
	// whoever still wants to know. All hosts of a large fleet may ask for documents at once.
	maxQuestions = 4096
	// maxAdmissions is the same for hosts that ask to be admitted: each takes more than a millisecond, and asks again by itself.
	maxAdmissions = 512
	// maxQuestionBytes bounds them in bytes; a document has 256 KiB at most.
	maxQuestionBytes = 16 << 20
)

// A host that does not gossip.
const (
	// askEvery is how often it asks how the mesh stands; each time up to half of it later, so that thousands do not ask at once.
	// News of brokers come in between by themselves.
	askEvery = 30 * time.Second
	// askSoon is when it asks again where nobody has answered.
	askSoon = 2 * time.Second
	// maxBrokersFile bounds brokers.json, in bytes.
	maxBrokersFile = 64 << 10
)

// Who is connected to a broker.
const (
	// presenceTick is how often a broker's connections are looked through, and presenceSpacing the least time between two looks,
	// for peers that ask. Who connects for a moment only, as somebody with a stolen key may, is no host that will be missed.
	presenceTick, presenceSpacing = 500 * time.Millisecond, 50 * time.Millisecond
	// completeFor is how long a node that has just begun to run a broker waits for what the others that run one know, before it
	// says who is there. One of them may hang.
	completeFor = 4 * time.Second
	// presenceSave is how often what is known is written to disk, if it has changed.
	presenceSave = 30 * time.Second
	// outlives is how much longer than gossip's verdict that a host has failed a connection must stand to count for more. A broker
	// takes about a minute to notice that a host has vanished without a word.
	outlives = 75 * time.Second
)

// One key on two machines.
const (
	// duplicateFresh is how long after both machines last proved that they have the key it counts: gossip asks them every 10 s, and
	// within a minute where there are many claims.
	duplicateFresh = 2 * time.Minute
)
