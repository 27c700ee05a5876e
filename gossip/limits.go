package gossip

import "time"

// All bounds on what comes from outside stand here.
const (
	// keySize makes it AES-256.
	keySize = 32
	// maxID is the longest node id. A base32 SHA-256 has 52 characters.
	maxID = 64
	// maxHost is the longest host name, as in RFC 1035.
	maxHost = 253
	// maxMembers bounds the table against a holder of the gossip key who invents nodes. Pools are meant to stay below
	// about 2,000 hosts.
	maxMembers = 8192
	// maxLearnt is how full the table may get by what others say of members that are gone, so that inventing those keeps
	// nobody out who is there.
	maxLearnt = maxMembers / 2
	// maxGone bounds how many members that are gone a push/pull names: a whole pool, so that a newcomer learns of
	// everybody that an outage took. Each is some 60 bytes, less than memberlist itself spends on a member.
	maxGone = 2048
	// maxConflicts bounds the conflicts that are remembered, and maxClaims those of one id. Beyond them the oldest makes way that
	// was not proven: inventing claims does not hide a key that is used twice.
	maxConflicts = 64
	maxClaims    = 4
	// maxAsked is how many conflicts are looked into at a time, with two questions each at most. All are looked into within a
	// minute, which is less than a proof counts for.
	maxAsked = 16
	// maxWrong is how many wrong answers to one question are verified; whoever can read the packets may send them.
	maxWrong = 8
	// maxAnswers is how many challenges a node answers in a second: some hundred brokers' nodes may ask. A signature takes about
	// 50 µs.
	maxAnswers = 100
	// maxMissed is how many times in a second a node is told that it is missed; anybody with the key may say it, at no end.
	maxMissed = 2
	// maxUserMessage bounds a challenge or an answer, maxProof the proof in it, and maxWaiting how many wait to be read.
	maxUserMessage = 512
	maxProof       = 256
	maxWaiting     = 64
	// maxSeeds bounds the addresses that Join remembers for later.
	maxSeeds = 64
	// maxOld bounds the forgotten members whose addresses are kept while this node is alone: a few would do, many make it
	// likely that one still lives.
	maxOld = 256
	// maxFileBytes is more than the longest members file that maxMembers can make.
	maxFileBytes = maxMembers * 640
	// maxLogText cuts a line of memberlist's, which may quote what others sent.
	maxLogText = 1 << 10

	// MaxDocument is the largest document in bytes. Every node keeps every document, so all together are bounded too.
	MaxDocument = 64 << 10
	// rootDocuments and rootBytes are the room of what the root key signs, which nothing else can take: a roster, two rotations of
	// 56 parts of 64 KiB, and revocations: 16,384 of 33 bytes are some 70.
	rootDocuments = 1024
	rootBytes     = 8 << 20
	// signerDocuments and signerBytes are what one admin may have, adminDocuments and adminBytes what all have together.
	signerDocuments = 128
	signerBytes     = 256 << 10
	adminDocuments  = 1024
	adminBytes      = 1 << 20
	maxDocuments    = rootDocuments + adminDocuments
	// maxKind and maxName keep the file name of a document within what every file system takes.
	maxKind = 32
	maxName = 96
	// maxDigest is the length of the longest digest that maxDocuments can make.
	maxDigest = 4 + maxDocuments*(1+maxKind+1+maxName+10+32)
	// maxLost bounds the lost versions that are kept for people, and maxRefused the hashes that are not asked for again.
	maxLost    = 64
	maxRefused = 1024
)

const (
	// clockMargin is how long before its end a document is not handed on any more, for nodes whose clocks are ahead.
	clockMargin = 5 * time.Minute
	// refusedFor is how long a document that was not taken is not asked for again, unless another one is taken in between.
	refusedFor = time.Hour
	// lostFor is how long a version that was dropped for another one is named.
	lostFor = 7 * 24 * time.Hour
	// askTries is how often one question is sent, askEvery apart; packets get lost. Who has not answered after them has not proven
	// anything in this round.
	askTries = 5
	askEvery = time.Second
	// proofFresh is how long after one round in which both signed another one continues it.
	proofFresh = 2 * time.Minute
	// conflictFresh is how long a conflict counts after it was last noticed. Real ones are noticed at each push/pull.
	conflictFresh = 5 * time.Minute
	// hearsayDelay is how far two nodes' times of one event may be apart: noticing a crash takes up to a minute in a large
	// pool, and clocks differ by as much.
	hearsayDelay = 5 * time.Minute
	// fileRefresh is how old the times of living members in the members file may get before it is written just for them.
	fileRefresh = 5 * time.Minute
	// changeSpacing is the least time between two calls of OnChange, so that a hundred nodes joining are a few calls.
	changeSpacing = 100 * time.Millisecond
	// defaultForget and defaultForgetEphemeral are how long members that are gone stay known.
	defaultForget          = 72 * time.Hour
	defaultForgetEphemeral = time.Hour
)
