package plugin

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Kind says whether an action can change the host.
type Kind string

const (
	Read   Kind = "read"   // looks only; goes out at once
	Change Kind = "change" // can change the host; is planned, may ask, is journaled durably
)

// Type is the type of an input. Values are carried as the Go type named beside each.
type Type string

const (
	String  Type = "string"  // string
	List    Type = "list"    // string; must be one of Input.Choices
	Boolean Type = "boolean" // bool; typed as true/false, yes/no, 1/0
	Integer Type = "integer" // int64
	Float   Type = "float"   // float64
)

// Display says which hosts' lines a run shows by default.
type Display string

const (
	DisplayAlways Display = "always"
	DisplayOK     Display = "ok"
	DisplayFailed Display = "failed" // for actions where only trouble is news
)

// Declaration is all that is known of a plugin without running it.
type Declaration struct {
	Name        string // one lower-case word, the PLUGIN of `fleet run PLUGIN ACTION`
	Description string // one sentence
	Author      string
	License     string
	Version     string
	URL         string
	Timeout     time.Duration // limit of one action on one host, unless the action has its own
	Actions     []Action
}

// ValidName reports whether a plugin, an action, an input or an output may have that name: a lower-case letter followed by
// letters, digits and _, at most 64 in all.
func ValidName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= 64 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"0123456789_") == ""
}

// Action is one thing a plugin does.
type Action struct {
	Name        string // one lower-case word
	Description string // one sentence
	Kind        Kind
	Inputs      []Input
	Outputs     []Output
	Display     Display // "" is DisplayAlways
	Summaries   []Summary
	Timeout     time.Duration // 0: the plugin's
	// Detached says that the action runs in a process of its own: the end of the agent neither ends it nor loses its answer. It is for
	// changes that need nothing of the node, and have no secret inputs: what the process needs lies on disk.
	Detached bool
}

// Input is one argument of an action.
type Input struct {
	Name        string
	Prompt      string // a short label, such as "Package name"
	Description string
	Type        Type
	Optional    bool
	Positional  bool     // may be given as a bare word, in the order of Action.Inputs
	Default     any      // filled in where an optional input is left out; nil: stays out
	Pattern     string   // RE2, anchored at both ends by the check; String only; "" allows any printable text
	MaxLength   int      // in bytes, String only; 0 is DefaultMaxLength
	Choices     []string // List only
	Secret      bool     // sealed on the way, never logged, journaled or shown
}

// DefaultMaxLength bounds a string input that names no bound of its own: long enough for a path, short enough for a log line.
const DefaultMaxLength = 256

// Output is one value in a result's Data.
type Output struct {
	Name        string
	Description string
	Label       string // column head and summary head; "" is the name
	Default     any    // shown where a host's answer lacks it
}

// Aggregate is a way to sum up one output over all hosts.
type Aggregate string

const (
	CountValues Aggregate = "count" // how many hosts have each value
	Average     Aggregate = "average"
	Sum         Aggregate = "sum"
)

// Summary asks for one output to be summed up over all hosts under a run.
type Summary struct {
	Output string
	By     Aggregate
	Label  string // "" is "Summary of " + the output's label
}

// State is how an action ended on one host.
type State string

const (
	OK        State = "ok"        // done; for a Change: something changed
	Unchanged State = "unchanged" // a Change that found everything as wanted
	Skipped   State = "skipped"   // does not apply: no such service or package here
	Failed    State = "failed"
)

// Result is what an action answers. Message is the one line shown for the host and is never empty for Failed and
// Skipped; Data holds the declared outputs: nil, bool, string, int64, float64, []any and map[string]any of these.
type Result struct {
	State   State
	Message string
	Data    map[string]any
}

// Call is one run of one action on this host.
type Call struct {
	Action string
	Args   Args // checked against the declaration, defaults filled in
	// Output takes what the programs print that change the host, for those who watch; nil where nobody can. It never fails, and may be
	// written to from several goroutines.
	Output io.Writer
}

// Plugin is a declaration with its code. Run may be called from several goroutines at once; it blocks until the
// action has ended or ctx has, and returns soon after ctx ends. It runs programs by argv, never through a shell.
type Plugin interface {
	Declaration() Declaration
	Run(ctx context.Context, call Call) Result
}

// Safely runs a plugin; a panic in one is a failure of the action and must not take the process down.
func Safely(ctx context.Context, p Plugin, call Call) (r Result) {
	defer func() {
		if fault := recover(); fault != nil {
			r = Failf("the plugin crashed: %v", fault)
		}
	}()
	return p.Run(ctx, call)
}

// SafelyQuery asks a data source; a panic is an error, and must not take the process down.
func SafelyQuery(ctx context.Context, s DataSource, argument string) (data map[string]any, err error) {
	defer crashed(&err)
	return s.Query(ctx, argument)
}

// SafelyNames asks a plugin for the names of an argument; a panic is an error here too.
func SafelyNames(ctx context.Context, n Namer, action, input, value string) (own, other []string, err error) {
	defer crashed(&err)
	return n.Names(ctx, action, input, value)
}

func crashed(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("the plugin crashed: %v", fault)
	}
}

// DataSource is implemented by plugins that also answer data functions in -S filters, such as
// service('nginx').status. Query looks only and returns the outputs by name; an error means that this host
// cannot answer, and then the host does not match.
type DataSource interface {
	// Reads returns the action of this plugin, a read, that shows what Query does: the filter of an admin who may not run it is refused.
	Reads(argument string) Call
	Query(ctx context.Context, argument string) (map[string]any, error)
}

// Namer is implemented by plugins to which different values of an argument can mean the same thing, such as sshd, sshd.service and
// their alias ssh. Rules of policy are compared by it.
type Namer interface {
	// Names says under which names this host knows what an action's argument with this value names. own are those of the thing
	// itself, and the first of them is the one that stands for it: two values mean the same thing exactly where theirs are equal.
	// other are further ones, such as aliases and values that might mean it. The value may be anything, also what the declaration
	// does not allow: it is then its only name. It looks only. An error means that this host cannot say, and then no rule that
	// names the argument allows the action.
	Names(ctx context.Context, action, input, value string) (own, other []string, err error)
}

// Action returns the action of that name.
func (d Declaration) Action(name string) (Action, bool) {
	for _, a := range d.Actions {
		if a.Name == name {
			return a, true
		}
	}
	return Action{}, false
}

// Find looks an action up among declarations.
func Find(list []Declaration, plugin, action string) (Action, bool) {
	for _, d := range list {
		if d.Name == plugin {
			return d.Action(action)
		}
	}
	return Action{}, false
}

// Limit returns how long the action may take on one host.
func (d Declaration) Limit(a Action) time.Duration {
	if a.Timeout > 0 {
		return a.Timeout
	}
	return d.Timeout
}

// Failf is a Failed result with a formatted message.
func Failf(format string, args ...any) Result {
	return Result{State: Failed, Message: fmt.Sprintf(format, args...)}
}

// Skipf is a Skipped result with a formatted message.
func Skipf(format string, args ...any) Result {
	return Result{State: Skipped, Message: fmt.Sprintf(format, args...)}
}
