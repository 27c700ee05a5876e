package identity

import "time"

// All limits of this package, each with its why.
const (
	maxTokenText  = 8 << 10   // a token with 16 seeds and labels is about 1 KiB
	maxRecord     = 3 << 10   // a token's record rides in each statement of its hosts
	maxStatement  = 5 << 10   // a host's statement holds a record, and rides in a certificate, where it is a third larger
	maxKept       = 300       // tokens and labels of former admins in a roster, some 120 bytes each
	maxSeeds      = 16        // addresses in a token; three are plenty, autoscaling groups may want more
	maxLabels     = 32        // they are all in every host's statement
	maxLabel      = 128       // bytes of a label's name and value together
	maxNetworks   = 16        // networks a token may be used from
	maxHostName   = 253       // RFC 1035
	MaxDocument   = 64 << 10  // DESIGN 6: a replicated document
	MaxRotated    = 300       // nodes in one part of a rotation, some 200 bytes each
	maxRotations  = 56        // parts of a rotation, MaxRotated nodes each: 16,800; two of them fit into the room for documents
	gossipKeySize = 32        // AES-256
	maxAdmins     = 1000      // in one roster, which must fit into MaxDocument
	maxRules      = 200       // in one role
	MaxHosts      = 100_000   // that a roster may say the fleet has: as many as a plan may have
	maxExpression = 1 << 10   // bytes of an expression over labels in a rule
	maxCertDER    = 8 << 10   // before x509 parses it
	maxClaims     = 16_384    // statements that a Verifier remembers, half a KiB each: as many as a list of hosts may name
	maxRecords    = 1024      // tokens' records that it remembers
	maxJoin       = 8 << 10   // a request to be admitted
	maxRenew      = 20 << 10  // it holds a chain, which is two certificates
	maxJoinAnswer = 512 << 10 // holds addresses and keys
	MaxRevoked    = 16_384    // keys that are revoked at a time: as many as hosts; with a roster they fit into one answer of 768 KiB
	maxPacked     = 900       // revocations in a document that was packed: of admins they have 70 bytes
	packFrom      = 32        // small documents of revocations that are left alone
	MaxHistory    = 64        // versions that a document names before it: 1 KiB
	maxOlder      = 16        // issuing keys in the middle of rotations: each one that was started and not finished
	MaxRootKeys   = 9         // of a root, with as many signatures in each document
	maxRoots      = 64        // root records, from the first; each has some 300 bytes
	maxProposed   = 16        // documents that are signed together: a roster, and a revocation for each of an admin's tokens
	maxChange     = 512 << 10 // a change on its way between holders of root keys: roots, a roster, and what is proposed
	maxSignatures = 1 << 10   // bytes: MaxRootKeys of 64, or 69 by security keys, and what is between them
	MaxBackup     = 16 << 20  // an admin's home directory: the roster, revocations, and the list of tokens, which may have 4 MiB

	// NodeLife is how long a node certificate holds. A host that was off for longer has to be admitted again.
	NodeLife = 14 * 24 * time.Hour
	// MaxDocumentLife is how far ahead the end of an admin's document may be. Whoever wants it longer makes a new version, so
	// that what nobody looks after goes by itself.
	MaxDocumentLife = 366 * 24 * time.Hour
	// rotationLife is how long the documents with new shared keys are kept: a host that was off for longer than NodeLife has to be
	// admitted again, and gets the keys then.
	rotationLife = NodeLife + 24*time.Hour
	// revokedNodeLife is how long a node stays revoked. A peer that has not heard of it may go on renewing the node's certificate.
	revokedNodeLife = 366 * 24 * time.Hour
	// backdate lets a host join whose clock is behind; the gate on a node says what is wrong with its clock.
	backdate    = 24 * time.Hour
	issuingLife = 10 * 365 * 24 * time.Hour // replaced by rotation, not by expiry
)
