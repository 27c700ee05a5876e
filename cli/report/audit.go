package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fleet/client"
	"fleet/node/audit"
)

// Audit is lines of the audit of one host or several.
type Audit struct {
	Hosts  []AuditHost
	Others []client.Outcome // from which there is none
	Exit   int
}

// AuditHost is what one host answered.
type AuditHost struct {
	Name    string
	Lines   []audit.Entry
	Damaged int    // lines that are not what fleet writes, and are not shown
	More    bool   // there are older ones
	Seq     uint64 // of its newest line
	Hash    string // of its newest line
}

type (
	auditDocument struct {
		Schema string              `json:"schema"` // fleet.audit/v1
		Hosts  []auditHostDocument `json:"hosts"`
		Lines  []auditLine         `json:"lines"`
		Silent []hostDocument      `json:"no_answer"`
		Exit   int                 `json:"exit"`
	}
	auditHostDocument struct {
		Host    string `json:"host"`
		Seq     uint64 `json:"seq"`
		Hash    string `json:"hash"`
		More    bool   `json:"more"`
		Damaged int    `json:"damaged"`
	}
	auditLine struct {
		Schema string      `json:"schema,omitempty"` // fleet.audit_line/v1, in JSON lines
		Host   string      `json:"host"`
		Line   audit.Entry `json:"line"`
	}
)

// lines are those of all hosts, by time.
func (x Audit) lines() []auditLine {
	list := []auditLine{}
	for _, h := range x.Hosts {
		for _, e := range h.Lines {
			list = append(list, auditLine{Host: h.Name, Line: e})
		}
	}
	if len(x.Hosts) > 1 { // one host's lines are in their order, whatever its clock did
		slices.SortStableFunc(list, func(a, b auditLine) int { return a.Line.Time.Compare(b.Line.Time) })
	}
	return list
}

// Render writes the lines in the format.
func (x Audit) Render(f Format) ([]byte, error) {
	list := x.lines()
	if f == Table {
		return []byte(x.human(list)), nil
	}
	doc := auditDocument{Schema: "fleet.audit/v1", Hosts: []auditHostDocument{}, Lines: list, Silent: []hostDocument{}, Exit: x.Exit}
	d := document{header: []string{"time", "host", "seq", "event", "job", "signer", "what", "result"}}
	for _, h := range x.Hosts {
		doc.Hosts = append(doc.Hosts, auditHostDocument{Host: h.Name, Seq: h.Seq, Hash: h.Hash, More: h.More, Damaged: h.Damaged})
		d.names = append(d.names, h.Name)
	}
	for _, o := range x.Others {
		doc.Silent = append(doc.Silent, hostDoc(o))
	}
	for _, l := range list {
		e := l.Line
		d.rows = append(d.rows, []string{e.Time.Format(time.RFC3339Nano), l.Host, strconv.FormatUint(e.Seq, 10), string(e.Event), e.Job, e.Signer, what(e), result(e)})
		l.Schema = "fleet.audit_line/v1"
		d.each = append(d.each, l)
	}
	d.whole = doc
	return d.encode(f)
}

func (x Audit) human(list []auditLine) string {
	var b strings.Builder
	if len(list) > 0 {
		w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "TIME\tHOST\tEVENT\tJOB\tSIGNER\tWHAT\tRESULT")
		for _, l := range list {
			e := l.Line
			cells := []string{e.Time.UTC().Format("2006-01-02 15:04:05Z"), l.Host, string(e.Event), e.Job, e.Signer, what(e), result(e)}
			for i := range cells {
				if cells[i] = Sanitise(cells[i]); cells[i] == "" {
					cells[i] = "-"
				}
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		w.Flush()
		b.WriteString("\n")
	}
	for _, h := range x.Hosts {
		if len(x.Hosts) > 1 && len(h.Lines) == 0 && h.Damaged == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: %s", Sanitise(h.Name), plural(len(h.Lines), "line"))
		if h.More {
			b.WriteString(" and older ones")
		}
		if h.Damaged > 0 {
			fmt.Fprintf(&b, ", %d DAMAGED: run fleet audit verify on that host", h.Damaged)
		}
		fmt.Fprintf(&b, "; the newest of all is %d, hash %s\n", h.Seq, Sanitise(h.Hash))
	}
	if len(list) == 0 {
		fmt.Fprintf(&b, "no matching line on %s\n", plural(len(x.Hosts), "host"))
	}
	b.WriteString(Unheard("No audit from:", x.Others, false))
	return b.String()
}

// what says what was asked for.
func what(e audit.Entry) string {
	s := strings.TrimSpace(e.Plugin + " " + e.Action)
	for _, name := range sortedKeys(e.Args) {
		s += " " + name + "=" + valueText(e.Args[name])
	}
	return s + withReason(e.Why)
}

// result says what became of it, and why.
func result(e audit.Entry) string {
	s := e.Decision
	if e.State != "" {
		s = e.State
	}
	if e.Count > 0 {
		s = plural(e.Count, "line")
	}
	for _, more := range []string{e.Reason, e.By, e.Message} {
		switch {
		case more == "":
		case s == "":
			s = more
		default:
			s += ": " + more
		}
	}
	if e.Second != "" {
		s += "; approved by " + e.Second
	}
	return s
}

// AuditCheck is what the verification of a chain found.
type AuditCheck struct {
	Paths  []string
	Report audit.Report
	Exit   int
}

// Render writes it in the format.
func (x AuditCheck) Render(f Format) ([]byte, error) {
	r := x.Report
	type broken struct {
		File string     `json:"file"`
		Line int        `json:"line"`
		Kind audit.Kind `json:"kind"`
		Text string     `json:"text"`
	}
	doc := struct {
		Schema string   `json:"schema"` // fleet.audit_verify/v1
		Paths  []string `json:"paths"`
		Files  int      `json:"files"`
		Lines  int      `json:"lines"`
		First  uint64   `json:"first"`
		Seq    uint64   `json:"seq"`
		Hash   string   `json:"hash"`
		Notes  []string `json:"notes"`
		Break  *broken  `json:"break"`
		Exit   int      `json:"exit"`
	}{"fleet.audit_verify/v1", x.Paths, r.Files, r.Lines, r.First, r.Head.Seq, r.Head.Hash, append([]string{}, r.Notes...), nil, x.Exit}
	d := document{each: []any{}, header: []string{"file", "line", "kind", "text"}}
	var b strings.Builder
	if r.Break != nil {
		doc.Break = &broken{r.Break.File, r.Break.Line, r.Break.Kind, r.Break.Text}
		d.rows = append(d.rows, []string{r.Break.File, strconv.Itoa(r.Break.Line), string(r.Break.Kind), r.Break.Text})
		d.names = append(d.names, r.Break.File)
		fmt.Fprintf(&b, "%s:%d: %s: %s\n", Sanitise(r.Break.File), r.Break.Line, r.Break.Kind, Sanitise(r.Break.Text))
	} else {
		fmt.Fprintf(&b, "%s in %s, %d to %d: the chain is intact; hash of the last line: %s\n", plural(r.Lines, "line"), plural(r.Files, "file"), r.First, r.Head.Seq, r.Head.Hash)
	}
	for _, n := range r.Notes {
		b.WriteString("note: " + Sanitise(n) + "\n")
	}
	if f == Table {
		return []byte(b.String()), nil
	}
	d.whole, d.each = doc, []any{doc}
	return d.encode(f)
}
