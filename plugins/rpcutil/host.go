package rpcutil

import (
	"context"
	"time"

	"fleet/plugins/plugin"
)

// Host is what the plugin needs of the node it tells of. All methods may be called at once from several goroutines;
// none but Refresh, Can and Audit blocks. What they return is shared and must not be changed.
type Host interface {
	Name() string
	Configured() string // the name that its config or the machine gives it now; "" if not known. Name counts
	ID() string
	Version() string // of fleet
	Kind() string    // peer or member
	Broker() bool    // whether it carries a broker now
	Started() time.Time
	Labels() map[string]string // attested at admission

	Fact(path string) (any, bool) // a dotted path, such as os.release.major; labels included
	Facts() (all map[string]any, taken time.Time)
	Classes() []string
	Problems() []Problem         // with the facts taken last
	Refresh(ctx context.Context) // takes the facts anew; blocks until that is done or ctx ends

	Plugins() []plugin.Declaration
	Stats() map[string]int64 // counters since Started

	Standing() Standing // in the mesh, now
	View() View         // with Members

	// Can says what the node would decide about a job, by the code that decides about jobs. It may block while a rule of
	// the host's policy asks a data function; ctx bounds that.
	Can(ctx context.Context, q Question) Decision

	// Forget drops a host that is gone from whom the node expects; known says whether it was. One that is alive is an error.
	Forget(id string) (known bool, err error)

	// Audit returns the newest lines of the node's audit that fit. It blocks while files are read, at most until ctx ends.
	Audit(ctx context.Context, q AuditQuery) (AuditPage, error)
}

// AuditQuery says which lines of the audit are wanted.
type AuditQuery struct {
	Job   string    // of this job only; "" for any
	Since time.Time // not older; the zero time for any
	Limit int       // the newest, at most so many
	Bytes int       // and at most so many bytes of them
}

// AuditPage is an answer.
type AuditPage struct {
	Lines []string // as they stand in the file, oldest first
	More  bool     // there are older ones that fit
	Seq   uint64   // of the newest line of all
	Hash  string   // and its SHA-256, in hex
}

// Question is a job that somebody might send.
type Question struct {
	Admin, Plugin, Action string
	Args                  map[string]string // as typed
	Targets               int               // how many hosts it would be for; 0: every one
}

// Decision is what would become of it.
type Decision struct {
	Allowed bool
	Waits   bool   // for a second admin's signature; it would be allowed then
	By      string // the line that decides
	But     string // why it would not run although it is allowed; "" where it would
}

// Problem is a custom fact, or another source of facts, that did not yield what it should have.
type Problem struct {
	File  string
	Error string
}
