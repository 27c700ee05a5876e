package broker

// What one connection may take of a broker, and of all the others, which hear of each subscription. A joining
// host has 1 subscription, a node 5 to 20, depending on its role, and an admin 1 and one more for each run that is under way.
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

// The log lines that one key can cause, and those that all who have none cause together: so many at once, and so many a second.
const logBurst, logRate = 120, 2
