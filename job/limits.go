package job

import "time"

// All limits of messages, each with its why.
const (
	// MaxJob bounds a signed job: 500 targets of 26 bytes, a long filter and arguments fit several times.
	MaxJob = 64 << 10
	// MaxReply bounds a signed reply, well below what a broker forwards (MaxPayload); an inventory is about 20 KiB.
	MaxReply = 512 << 10
	// MaxApprovals is how many further admins' signatures a job may carry; rules ask for one.
	MaxApprovals = 3
	// MaxWaiting is how many jobs of one admin may wait for approval at a broker's node, in memory.
	MaxWaiting = 16
	// sealOverhead is what sealing adds: a 32-byte key and a 16-byte tag.
	sealOverhead = 48
	// MaxPayload is the broker's limit of one message.
	MaxPayload = 1 << 20
	// MaxTargets is how many exact targets a job lists; a change for more is sent in portions, see Plan.
	MaxTargets = 500
	// MaxPlan is how many hosts a plan may have: several times the largest fleet.
	MaxPlan = 100_000
	// MaxArgs is how many arguments a job may carry; no action declares nearly as many.
	MaxArgs = 64
	// MaxReason is how many bytes the reason of a job may have: it is one line, in the audit and in lists of jobs.
	MaxReason = 256
	// MaxNeeds is how many documents a job may need: the roster, and what was just revoked.
	MaxNeeds = 4
	// MaxSkew is how far a host's clock may be from the admin's before jobs are refused, with both times named.
	MaxSkew = 60 * time.Second
	// MaxLife is how long a job may stay startable. The journal remembers every job at least this long plus MaxSkew.
	MaxLife = time.Hour
	// MaxMembersBytes bounds a page of the list of hosts that a client accepts from a broker.
	MaxMembersBytes = MaxPayload
	// MaxMembers is how many hosts a page names, fewer than the decoder takes (internal/wire). MaxPages is how many pages a client asks
	// for: a quarter of a million hosts.
	MaxMembers = 8_192
	MaxPages   = 32
	// pageBytes is how long a page is made, so that duplicates fit as well, and maxMemberFrame how long an entry is beside its texts.
	pageBytes      = 768 << 10
	maxMemberFrame = 64
	// MaxDuplicates is for how many hosts such a list says that two machines use their key.
	MaxDuplicates = 64
	// MaxProbe is of how many hosts one probe asks, and maxProbeBytes bounds it and its answer: an id takes 28 bytes.
	MaxProbe      = 512
	maxProbeBytes = 16 << 10
	// MaxBrokers is how many brokers nodes are told of that do not gossip; a fleet has three to five.
	MaxBrokers = 64
	// MaxMesh bounds that news: its digest of the documents takes up to 344 KiB.
	MaxMesh = 384 << 10
	// MaxDocuments is how many documents one query asks for, and MaxDocumentAnswer how many bytes of them an answer has: they go
	// into one message.
	MaxDocuments      = 256
	MaxDocumentAnswer = 768 << 10
)
