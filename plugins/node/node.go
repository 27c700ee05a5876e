package node

import (
	"context"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Host is what the plugin needs to know of the node itself. All methods may be called at once from several goroutines.
type Host interface {
	// Status is how the node does now, with all its documents. It does not block.
	Status() answers.Status

	// Can says what the node would decide about a job, by the code that decides about jobs. It may block while a rule of
	// the host's policy asks a data function; ctx bounds that.
	Can(ctx context.Context, q Question) answers.Decision

	// Audit returns the newest lines of the node's audit that match. It blocks while files are read, at most until ctx ends.
	Audit(ctx context.Context, q AuditQuery) (answers.AuditPage, error)

	// TakeLabels puts other labels into force, which an admin signed (identity.SignLabels), and returns all of them. It may block as Can
	// does, and for the disk. changed is false where they are in force already.
	TakeLabels(ctx context.Context, signed []byte) (labels map[string]string, changed bool, err error)
}

// Mesh is what the plugin needs to know of the other nodes. The methods may be called at once and do not block.
type Mesh interface {
	View() answers.View // with all members

	// Forget drops a host that is gone from those the node expects; known says whether it was. One that is alive is an error.
	Forget(id string) (known bool, err error)
}

// Question is a job that somebody might send.
type Question struct {
	Admin, Plugin, Action string
	Args                  map[string]string // as typed
	Targets               int               // how many hosts it would be for; 0: every one
}

// AuditQuery says which lines of the audit are wanted.
type AuditQuery struct {
	Job   string    // of this job only; "" for any
	Event string    // about this only; "" for any
	Since time.Time // not older; the zero time for any
	Limit int       // the newest, at most so many
	Bytes int       // and at most so many bytes of them
}

// Plugin reports on one node.
type Plugin struct {
	host Host
	mesh Mesh
}

// New returns the plugin for a node. It asks nothing yet.
func New(host Host, mesh Mesh) Plugin { return Plugin{host, mesh} }

// Declaration is the same on every host; see the function of that name.
func (Plugin) Declaration() plugin.Declaration { return Declaration() }

// Declaration is what the plugin "node" says of itself, on every host the same.
func Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "node",
		Description: "Report how a node does, whom it sees and what it decides",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions:     []plugin.Action{statusAction(), viewAction(), canAction(), auditAction(), forgetAction(), labelAction()},
	}
}

// Run does one action. Only can and audit block.
func (p Plugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	switch call.Action {
	case "status":
		return p.status()
	case "view":
		return p.view()
	case "can":
		return p.can(ctx, call.Args)
	case "audit":
		return p.audit(ctx, call.Args)
	case "forget":
		return p.forget(call.Args.String("node"))
	case "label":
		return p.label(ctx, call.Args.String("labels"))
	}
	return plugin.Failf("node has no action %q", call.Action)
}
