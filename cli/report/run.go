package report

import (
	"bytes"
	"cmp"
	"io"
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

// Write writes the run in the format. Of each host it holds the outputs no longer than it needs them, since those of a large run are not
// in memory.
func (r Run) Write(w io.Writer, f Format, v View) error {
	switch f {
	case Table:
		return r.human(w, v)
	case JSON:
		return r.json(w, v)
	case YAML:
		return r.yaml(w, v)
	}
	return r.each(w, f, v)
}

// The documents for programs. A change that takes something away or gives it another meaning makes it v2.
type (
	runDocument struct {
		Schema     string                    `json:"schema"` // fleet.run/v1
		Plugin     string                    `json:"plugin"`
		Action     string                    `json:"action"`
		Args       map[string]any            `json:"args"`
		Reason     string                    `json:"reason,omitempty"` // why, in the signer's words
		Plan       string                    `json:"plan,omitempty"`   // what the jobs are portions of
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
		LeftOut string         `json:"left_out,omitempty"` // why there are no data, and a long message is cut
		RTTMS   float64        `json:"rtt_ms,omitempty"`
		TookMS  float64        `json:"took_ms,omitempty"`
	}
)

// Render is Write for a run that is small.
func (r Run) Render(f Format, v View) ([]byte, error) {
	var b bytes.Buffer
	err := r.Write(&b, f, v)
	return b.Bytes(), err
}

// json writes the one document: its beginning, the hosts one after another, and its end.
func (r Run) json(w io.Writer, v View) error {
	doc := r.withoutHosts()
	head, _, err := doc.around()
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	const margin = jsonIndent + jsonIndent
	before, behind := "\n"+margin, ""
	err = r.everyHost(v.Order, func(o client.Outcome) error {
		host, err := marshalIn(hostDoc(o), margin)
		if err == nil {
			_, err = w.Write(append([]byte(before), bytes.TrimRight(host, "\n")...))
		}
		before, behind = ",\n"+margin, "\n"+jsonIndent
		doc.count(r.Action, o)
		return err
	})
	if err != nil {
		return err
	}
	_, tail, err := doc.around()
	if err == nil {
		_, err = w.Write(append([]byte(behind), tail...))
	}
	return err
}

// around is the document before and behind its hosts.
func (d runDocument) around() (head, tail []byte, err error) {
	whole, err := Marshal(d)
	if err != nil {
		return nil, nil, err
	}
	hosts := []byte("\n" + jsonIndent + `"hosts": []`) // found nowhere else: a text holds no line break, and what is deeper is indented more
	at := bytes.Index(whole, hosts) + len(hosts) - 1
	return whole[:at], whole[at:], nil
}

// withoutHosts is the document with all but its hosts and what is counted of them.
func (r Run) withoutHosts() runDocument {
	d := runDocument{
		Schema: "fleet.run/v1", Plugin: r.Plugin, Action: r.Action.Name, Args: portableData(r.Args), Reason: r.Reason, Plan: r.Plan, Jobs: r.Jobs,
		Hosts: []hostDocument{}, Tally: map[job.State]int{}, Counts: map[string]map[string]int{},
		NotStarted: r.NotStarted, NoMatch: r.NoMatch, Rejected: r.Rejected, Expected: r.Expected,
		TookMS: milliseconds(r.Took), Exit: r.Exit,
	}
	for _, k := range r.Duplicates {
		d.Duplicates = append(d.Duplicates, duplicateDocument{Host: k.Name, Node: string(k.Node), Addresses: k.Addrs})
	}
	for _, s := range r.Action.Summaries {
		if s.By == plugin.CountValues {
			d.Counts[s.Output] = map[string]int{}
		}
	}
	return d
}

// count counts a host.
func (d runDocument) count(a plugin.Action, o client.Outcome) {
	d.Tally[o.State]++
	for name, count := range d.Counts {
		if v := outputOf(declared(a, name), o); v != nil {
			count[countedAs(v)]++
		}
	}
}

// yaml writes the same document.
func (r Run) yaml(w io.Writer, v View) error {
	in, out := io.Pipe()
	go func() { out.CloseWithError(r.json(out, v)) }()
	defer in.Close() // ends the writer
	return yamlFromJSON(in, w)
}

// each writes what has a line or a document for each host.
func (r Run) each(w io.Writer, f Format, v View) error {
	if f == CSV {
		header := []string{"host", "outcome", "message"}
		for _, o := range r.Action.Outputs {
			header = append(header, o.Name)
		}
		if err := row(w, header); err != nil {
			return err
		}
	}
	return r.everyHost(v.Order, func(o client.Outcome) error {
		switch {
		case f == CSV:
			cells := []string{o.Name, string(o.State), withLeftOut(o.Message, o)}
			for _, out := range r.Action.Outputs {
				cells = append(cells, valueText(outputOf(out, o)))
			}
			return row(w, cells)
		case f == JSONL:
			h := hostDoc(o)
			h.Schema = "fleet.host/v1"
			line, err := marshal(h, "")
			if err == nil {
				_, err = w.Write(line)
			}
			return err
		case f == Name && v.names(o.State):
			_, err := io.WriteString(w, Sanitise(o.Name)+"\n")
			return err
		}
		return nil
	})
}

// everyHost calls f for each host with all that it answered, in this order, until there is an error.
func (r Run) everyHost(by Order, f func(client.Outcome) error) error {
	for _, o := range ordered(r.Outcomes, by) {
		o, err := o.Whole()
		if err == nil {
			err = f(o)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
		Data: portableData(o.Data), LeftOut: o.LeftOut, RTTMS: milliseconds(o.RTT), TookMS: milliseconds(o.Took),
	}
}

// milliseconds has microseconds behind the point.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// outputOf is the declared output's value on a host; its default where a host that was asked lacks it.
func outputOf(out plugin.Output, o client.Outcome) any {
	if v, ok := o.Data[out.Name]; ok && v != nil {
		return v
	}
	if o.State.Meaning().Fine && o.State != job.Running && o.LeftOut == "" {
		return out.Default
	}
	return nil
}
