package report

import (
	"slices"
	"strconv"

	"fleet/job"
	"fleet/plugins/answers"
)

// The document for programs: fleet.status/v1. What all hosts have in common stands once; the hosts themselves with -v.
type (
	statusDocument struct {
		Schema    string           `json:"schema"`
		Fleet     string           `json:"fleet"`
		ID        string           `json:"id"`
		Answered  int              `json:"answered"`
		Presence  map[string]int   `json:"presence"`
		Roles     map[string]int   `json:"roles"`
		Brokers   []statusBroker   `json:"brokers"`
		Versions  map[string]int   `json:"versions"`  // of fleet -> hosts
		Protocols map[string]int   `json:"protocols"` // -> hosts
		Roster    answers.Document `json:"roster"`    // the newest version
		Rosters   map[string]int   `json:"rosters"`   // version -> hosts
		Clock     *statusClock     `json:"clock,omitempty"`
		Views     []statusView     `json:"views"`
		Admitted  []Admission      `json:"admitted"`    // in the last day
		NotLetIn  []string         `json:"unexplained"` // hosts of which no peer says that it let them in
		Wrong     []Fault          `json:"wrong"`
		Others    []hostDocument   `json:"no_answer"`
		Rejected  int              `json:"unverified_replies"`
		Hosts     []statusHost     `json:"hosts,omitempty"`
		TookMS    float64          `json:"took_ms"`
		Exit      int              `json:"exit"`
	}
	statusBroker struct {
		Host     string   `json:"host"`
		Node     string   `json:"node"`
		Address  string   `json:"address,omitempty"`
		Clients  int64    `json:"clients"`
		Routes   []string `json:"routes"`
		Answered bool     `json:"answered"`
	}
	// statusClock is the clock that is furthest from this machine's.
	statusClock struct {
		Host     string  `json:"host"`
		OffsetMS float64 `json:"offset_ms"`
		WithinMS float64 `json:"within_ms"`
	}
	statusView struct {
		View    string `json:"view"`
		Hosts   int    `json:"hosts"`
		Brokers int    `json:"brokers"`
		Alive   int64  `json:"alive"`
		Failed  int64  `json:"failed"`
	}
	statusHost struct {
		Host      string             `json:"host"`
		Node      string             `json:"node"`
		Kind      string             `json:"kind"`
		Version   string             `json:"version"`
		Protocol  int64              `json:"protocol"`
		Documents []answers.Document `json:"documents"`
		Connected string             `json:"connected"`
		Expires   string             `json:"certificate_until"`
		OffsetMS  float64            `json:"clock_offset_ms"`
		WithinMS  float64            `json:"clock_within_ms"`
		View      string             `json:"view"`
	}
)

func (s *Status) document(v View) document {
	whole := statusDocument{
		Schema: "fleet.status/v1", Fleet: s.Name, ID: s.ID, Answered: len(s.Hosts), Presence: map[string]int{string(job.Alive): 0, string(job.MemberFailed): 0, string(job.Left): 0}, Roles: map[string]int{}, Brokers: []statusBroker{},
		Versions:  countOf(s.Hosts, func(h HostStatus) string { return h.Version }),
		Protocols: countOf(s.Hosts, func(h HostStatus) string { return strconv.FormatInt(h.Protocol, 10) }),
		Rosters:   countOf(s.Hosts, func(h HostStatus) string { return h.document(rosterName).String() }),
		Roster:    s.Roster, Views: []statusView{}, Admitted: append([]Admission{}, s.recent()...), NotLetIn: append([]string{}, s.Unexplained...), Wrong: append([]Fault{}, s.Faults...), Others: []hostDocument{}, Rejected: s.Rejected, TookMS: milliseconds(s.Took), Exit: s.Exit,
	}
	for _, m := range s.Members {
		whole.Presence[string(m.Presence)]++
		if m.Presence != job.Left {
			whole.Roles[string(m.Role)]++
		}
	}
	for _, b := range s.Brokers {
		whole.Brokers = append(whole.Brokers, statusBroker{b.Name, string(b.Node), b.Address, b.Clients, append([]string{}, b.Routes...), b.Answered})
	}
	for _, w := range s.Views {
		whole.Views = append(whole.Views, statusView{w.Hash, len(w.Hosts), w.Brokers, w.Alive, w.Failed})
	}
	for _, o := range s.Others {
		whole.Others = append(whole.Others, hostDoc(o))
	}
	for _, h := range s.Hosts {
		if whole.Clock == nil || h.Clock.Offset.Abs().Milliseconds() > int64(max(whole.Clock.OffsetMS, -whole.Clock.OffsetMS)) {
			whole.Clock = &statusClock{h.Name, milliseconds(h.Clock.Offset), milliseconds(h.Clock.Within)}
		}
		if v.Verbose {
			whole.Hosts = append(whole.Hosts, statusHost{h.Name, string(h.Node), h.Kind, h.Version, h.Protocol, append([]answers.Document{}, h.Documents...), h.Connected,
				h.Expires.String(), milliseconds(h.Clock.Offset), milliseconds(h.Clock.Within), h.ViewHash})
		}
	}
	d := document{whole: whole, each: []any{whole}, header: []string{"kind", "hosts", "text"}, names: s.troubled()}
	for _, f := range s.Faults {
		d.rows = append(d.rows, []string{f.Kind, joinNodes(f.Hosts), f.Text})
	}
	for _, o := range s.Others {
		d.rows = append(d.rows, []string{string(o.State), o.Name, o.Message})
	}
	return d
}

// troubled are the hosts with which something is wrong.
func (s *Status) troubled() []string {
	var names []string
	for _, f := range s.Faults {
		names = append(names, f.Hosts...)
	}
	for _, o := range s.Others {
		names = append(names, o.Name)
	}
	slices.SortFunc(names, compareNames)
	return slices.Compact(names)
}
