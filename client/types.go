package client

import (
	"fmt"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// Request is what to ask of which hosts.
type Request struct {
	Plugin string
	Action string
	Args   map[string]any // checked against the declaration, without the secret ones
	// Secret are the arguments that the declaration marks secret. They are sealed to each target and need Targets.
	Secret map[string]any
	Filter filter.Filter
	// ShutOut are hosts that were shut out otherwise than by name, with their token or with the admin who let them in: nobody waits
	// for them.
	ShutOut []identity.ID
	// Needs are documents that a host must have before it judges the job, beside the roster; at most job.MaxNeeds - 1.
	Needs  []job.WantedDocument
	Reason string // why, in the admin's words: one line, see job.CheckReason
	// Targets are the exact hosts, from a plan; nil asks whoever matches Filter.
	Targets []Target
	// Plan is of which they are a portion, if they are not all of it; see Rollout.
	Plan job.Plan
	// Fleet is among how many hosts they were planned; 0 is not known. In a large one each target is addressed by itself.
	Fleet int
	// Timeout is how long to wait for live hosts that owe an answer, from the moment the job was sent.
	Timeout time.Duration
	// TTL is how long a host may still start the job; at most job.MaxLife. 0 is DefaultTTL.
	TTL time.Duration

	pile *pile // where the answers go; nil: into a new one
}

// DefaultTTL is how long a job may still be started: long enough for a re-send after a broker died, short enough that
// nothing starts when the admin has given up.
const DefaultTTL = time.Minute

// Target is a host selected by a plan.
type Target struct {
	Node identity.ID
	Name string
	Seal []byte // its public sealing key
}

// Outcome is how a job ended for one host.
type Outcome struct {
	Node    identity.ID
	Name    string
	State   job.State
	Reason  job.Reason     // why refused; "" otherwise
	Message string         // the host's own line; for Lost and Silent: what is known of it
	Data    map[string]any // the action's outputs; nil where Whole has them
	RTT     time.Duration  // from sending to the end's arrival
	Took    time.Duration  // on the host, by its own clock
	// Identity is what the certificate said that the reply came with; zero for Lost and Silent.
	Identity identity.NodeIdentity
	Clock    Clock // how the host's clock stood to this one; zero for Lost and Silent
	// LeftOut says why neither Data nor Whole has the outputs, and that a long Message is cut: there was no room for them.
	LeftOut string

	seal  []byte                    // the host's public sealing key, by its certificate
	whole func() (job.Reply, error) // nil: there is no more to it
}

// Whole returns the outcome with its outputs and its whole message. Of large runs they are not kept in memory, or are not decoded;
// so hold them no longer than you need them. It blocks for the disk.
func (o Outcome) Whole() (Outcome, error) {
	if o.whole == nil {
		return o, nil
	}
	r, err := o.whole()
	if err != nil {
		return o, fmt.Errorf("%s: %w", o.Name, err)
	}
	o.Message, o.Data, o.whole = r.Message, r.Data, nil
	return o, nil
}

// Plan is who would run a change.
type Plan struct {
	Targets    []Target
	Silent     []Outcome      // expected, but did not say whether they match
	Refused    []Outcome      // said that they would not run it, and why
	Fleet      int            // hosts expected in all: live and failed
	Duplicates []DuplicateKey // hosts whose key two machines use; those that match are among Refused
}

// Run is one finished (or interrupted) run.
type Run struct {
	JobID      string
	Outcomes   []Outcome      // one for each target, sorted by name
	NoMatch    int            // hosts that said that the filter does not select them
	Rejected   int            // replies that did not verify; they count for nothing
	Expected   int            // hosts that membership named when the run began
	Duplicates []DuplicateKey // hosts whose key two machines use, so that an answer may come from either
	Took       time.Duration
}

// Progress is told as outcomes arrive. Total is 0 while the expected set is not known yet.
type Progress struct {
	Done, Total int
	Last        *Outcome // nil for a host that does not match
	Says        *Said    // not nil: nothing has ended, but a host told what its action prints
}

// Said is what an action printed lately on a host where it still runs. It is foreign text.
type Said struct{ Name, Text string }
