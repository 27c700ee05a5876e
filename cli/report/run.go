package report

import (
	"cmp"
	"slices"
	"time"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/plugin"
)

// Run is all that is known of a run when it has ended, or was interrupted.
type Run struct {
	client.Results
	Plugin string
	Action plugin.Action
	Args   plugin.Args
	Reason string // why, in the words of who signed it
	Exit   int
	Hints  []string // why nobody was selected, as far as the hosts could tell
}

// View is how a run is shown.
type View struct {
	Display plugin.Display // whose lines people see; "" is always. For Name: whose names, "" is ok
	Order   Order
	Verbose bool
	Quiet   bool
	Colour  bool
}

// Order is the order of the hosts.
type Order string

const (
	ByName  Order = "name"
	ByTime  Order = "time"  // the quickest answer first
	ByState Order = "state" // trouble first
)

// Orders are all there are.
var Orders = []Order{ByName, ByTime, ByState}

// shows reports whether a host in this state has a line.
func (v View) shows(s job.State) bool {
	switch {
	case s.Meaning().Trouble:
		return true
	case v.Quiet, v.Display == plugin.DisplayFailed:
		return false
	case v.Display == plugin.DisplayOK:
		return s.Meaning().Fine
	}
	return true
}

func ordered(outcomes []client.Outcome, by Order) []client.Outcome {
	list := slices.Clone(outcomes)
	slices.SortStableFunc(list, func(a, b client.Outcome) int {
		switch by {
		case ByTime:
			if c := cmp.Compare(a.RTT, b.RTT); c != 0 {
				return c
			}
		case ByState:
			if c := b.State.Rank() - a.State.Rank(); c != 0 {
				return c
			}
		}
		return compareNames(a.Name, b.Name)
	})
	return list
}

// Render writes the run in the format.
func (r Run) Render(f Format, v View) ([]byte, error) {
	if f == Table {
		return []byte(r.human(v)), nil
	}
	return r.document(v).encode(f)
}

// The documents for programs. A change that takes something away or gives it another meaning makes it v2.
type (
	runDocument struct {
		Schema     string                    `json:"schema"` // fleet.run/v1
		Plugin     string                    `json:"plugin"`
		Action     string                    `json:"action"`
		Args       map[string]any            `json:"args"`
		Reason     string                    `json:"reason,omitempty"` // why, in the signer's words
		Jobs       []string                  `json:"jobs"`
		Hosts      []hostDocument            `json:"hosts"`
		Tally      map[job.State]int         `json:"tally"`
		Counts     map[string]map[string]int `json:"counts,omitempty"` // output -> value -> hosts
		NotStarted []string                  `json:"not_started,omitempty"`
		NoMatch    int                       `json:"not_matched"`
		Rejected   int                       `json:"unverified_replies"`
		Expected   int                       `json:"expected"`
		Duplicates []duplicateDocument       `json:"twins,omitempty"`
		TookMS     float64                   `json:"took_ms"`
		Exit       int                       `json:"exit"`
	}
	// duplicateDocument is a host whose key two machines use, so that its answer may come from either.
	duplicateDocument struct {
		Host      string   `json:"host"`
		Node      string   `json:"node"`
		Addresses []string `json:"addresses"`
	}
	hostDocument struct {
		Schema  string         `json:"schema,omitempty"` // fleet.host/v1, in JSON lines
		Host    string         `json:"host"`
		Node    string         `json:"node,omitempty"`
		State   job.State      `json:"state"`
		Reason  job.Reason     `json:"reason,omitempty"`
		Message string         `json:"message,omitempty"`
		Data    map[string]any `json:"data,omitempty"`
		RTTMS   float64        `json:"rtt_ms,omitempty"`
		TookMS  float64        `json:"took_ms,omitempty"`
	}
)

func (r Run) document(v View) document {
	list := ordered(r.Outcomes, v.Order)
	whole := runDocument{
		Schema: "fleet.run/v1", Plugin: r.Plugin, Action: r.Action.Name, Args: portableData(r.Args), Reason: r.Reason, Jobs: r.Jobs,
		Hosts: []hostDocument{}, Tally: map[job.State]int{}, Counts: map[string]map[string]int{},
		NotStarted: r.NotStarted, NoMatch: r.NoMatch, Rejected: r.Rejected, Expected: r.Expected,
		TookMS: milliseconds(r.Took), Exit: r.Exit,
	}
	for _, k := range r.Duplicates {
		whole.Duplicates = append(whole.Duplicates, duplicateDocument{Host: k.Name, Node: string(k.Node), Addresses: k.Addrs})
	}
	d := document{header: []string{"host", "outcome", "message"}}
	for _, o := range r.Action.Outputs {
		d.header = append(d.header, o.Name)
	}
	for _, o := range list {
		h := hostDoc(o)
		whole.Hosts = append(whole.Hosts, h)
		whole.Tally[o.State]++
		h.Schema = "fleet.host/v1"
		d.each = append(d.each, h)
		row := []string{o.Name, string(o.State), o.Message}
		for _, out := range r.Action.Outputs {
			row = append(row, valueText(outputOf(out, o)))
		}
		d.rows = append(d.rows, row)
		if v.names(o.State) {
			d.names = append(d.names, o.Name)
		}
	}
	for _, s := range r.Action.Summaries {
		if s.By == plugin.CountValues {
			whole.Counts[s.Output] = countValues(r.Action, s.Output, list)
		}
	}
	d.whole = whole
	return d
}

// names reports whether Name prints a host in this state: with failed, just those to try again.
func (v View) names(s job.State) bool {
	switch v.Display {
	case plugin.DisplayAlways:
		return true
	case plugin.DisplayFailed:
		return s.Meaning().Trouble
	}
	return s.Meaning().Fine
}

func hostDoc(o client.Outcome) hostDocument {
	return hostDocument{
		Host: o.Name, Node: string(o.Node), State: o.State, Reason: o.Reason, Message: o.Message,
		Data: portableData(o.Data), RTTMS: milliseconds(o.RTT), TookMS: milliseconds(o.Took),
	}
}

// milliseconds has microseconds behind the point.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// outputOf is the declared output's value on a host; its default where a host that was asked lacks it.
func outputOf(out plugin.Output, o client.Outcome) any {
	if v, ok := o.Data[out.Name]; ok && v != nil {
		return v
	}
	if o.State.Meaning().Fine && o.State != job.Running {
		return out.Default
	}
	return nil
}
