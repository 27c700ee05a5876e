package runner

import (
	"time"

	"fleet/job"
	"fleet/node/gate"
)

const (
	// maxJudged bounds jobs that are judged at one time. More are dropped unseen: whoever sent them sends again. Those that may wait
	// in the gate, for a document or a filter's data function, are bounded there (node/gate/share.go); the rest is for those of whom
	// it is not known yet who signed them, which takes less than a millisecond.
	maxJudged = gate.AtOnce + 64
	// filterTime bounds how long a filter may ask its data functions.
	filterTime = 10 * time.Second
	// slowRead is when a read that still runs says that it was accepted. A quicker one has its end as its only reply.
	slowRead = time.Second
	// stillRuns is how often a host says that an action runs on.
	stillRuns = 3 * time.Second
)

// In bytes.
const (
	// maxLines bounds what a host says of what a running action printed. All of it is kept on the host.
	maxLines = 8 << 10
	// maxMessage bounds the one line that is shown for a host.
	maxMessage = 8 << 10
	// maxOutputs bounds a result's outputs as encoded; the rest of MaxReply is for the message, the chain and the seal.
	maxOutputs = job.MaxReply - 64<<10
	// keepReplies is how much of the last replies to reads is kept, unless Config says otherwise; and maxReplies how many.
	keepReplies, maxReplies = 4 << 20, 1024
)
