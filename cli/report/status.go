package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/plugins/answers"
)

// clockLimit is from when on a host's clock is named: jobs are refused at a minute, and logs are hard to compare much before.
const clockLimit = time.Second

// Status is how a whole fleet does. Fill in the first part, then call Judge.
type Status struct {
	Name, ID string
	Roster   answers.Document // the newest version that the brokers hand out; zero: unknown
	Members  []job.Member     // as a broker has them
	Hosts    []HostStatus     // that answered
	Others   []client.Outcome // that did not, or refused
	Rejected int              // replies that did not verify
	Took     time.Duration
	Exit     int
	Now      time.Time

	Admissions Admissions

	Unexplained []string       // hosts that answered and of which no peer says that it let them in
	Brokers     []BrokerStatus // by name
	Views       []ViewStatus   // the most common among brokers first
	Faults      []Fault        // what is wrong beside Others, the gravest first
}

// HostStatus is one host's answer. Its Name is that of the outcome.
type HostStatus struct {
	answers.Status
	Node  identity.ID
	Clock client.Clock
}

// BrokerStatus is one broker.
type BrokerStatus struct {
	Name, Address string
	Node          identity.ID
	Clients       int64
	Routes        []string // names of the brokers it has a route to
	Answered      bool
}

// ViewStatus is whom some hosts see.
type ViewStatus struct {
	Hash          string
	Node          identity.ID // one of them, a broker's if there is one
	Name          string
	Hosts         []string
	Brokers       int
	Alive, Failed int64
}

// Fault is something wrong, with the hosts it is about.
type Fault struct {
	Kind  string   `json:"kind"`
	Hosts []string `json:"hosts"`
	Text  string   `json:"text"`
}

// Kinds of faults.
const (
	faultRoute   = "route"
	faultView    = "view"
	faultRoster  = "roster"
	faultDocs    = "documents"
	faultClock   = "clock"
	faultTrouble = "trouble"
	faultBroker  = "broker"
)

// Answered adds the outcome of one host that was asked for its status.
func (s *Status) Answered(o client.Outcome) {
	status, ok := Read[answers.Status](&o)
	if !ok {
		s.Others = append(s.Others, o)
		return
	}
	status.Name = o.Name
	s.Hosts = append(s.Hosts, HostStatus{status, o.Node, o.Clock})
}

// Wrong reports whether something is wrong beside hosts that did not answer.
func (s *Status) Wrong() bool { return len(s.Faults) > 0 }

// Judge finds the brokers, the views and what is wrong.
func (s *Status) Judge() {
	slices.SortFunc(s.Hosts, func(a, b HostStatus) int { return cmp.Or(compareNames(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	s.findBrokers()
	s.findViews()
	s.judgeRoutes()
	s.judgeDocuments()
	s.judgeClocks()
	s.judgeAdmissions()
	for _, h := range s.Hosts {
		for _, t := range h.Trouble {
			s.fault(faultTrouble, t, h.Name)
		}
	}
}

func (s *Status) fault(kind, text string, hosts ...string) {
	for i, f := range s.Faults { // the same for many hosts is told once
		if f.Kind == kind && f.Text == text {
			s.Faults[i].Hosts = append(f.Hosts, hosts...)
			return
		}
	}
	s.Faults = append(s.Faults, Fault{kind, hosts, text})
}

func (s *Status) findBrokers() {
	names, found := map[string]string{}, map[identity.ID]int{}
	for _, m := range s.Members {
		names[string(m.Node)] = m.Name
		if m.Presence == job.Alive && m.Broker != "" {
			found[m.Node] = len(s.Brokers)
			s.Brokers = append(s.Brokers, BrokerStatus{Name: m.Name, Node: m.Node, Address: m.Broker})
		}
	}
	for _, h := range s.Hosts {
		names[string(h.Node)] = h.Name
	}
	for _, h := range s.Hosts {
		i, known := found[h.Node]
		switch {
		case h.Broker && !known: // gossip has not told yet
			i = len(s.Brokers)
			s.Brokers = append(s.Brokers, BrokerStatus{Name: h.Name, Node: h.Node})
		case !h.Broker && known:
			s.Brokers[i].Answered = true
			s.fault(faultBroker, "the mesh says that it runs a broker, but it does not", h.Name)
			continue
		case !h.Broker:
			continue
		}
		b := &s.Brokers[i]
		b.Clients, b.Answered = h.Clients, true
		for _, id := range h.Routes {
			b.Routes = append(b.Routes, cmp.Or(names[id], id))
		}
		slices.SortFunc(b.Routes, compareNames)
	}
	slices.SortFunc(s.Brokers, func(a, b BrokerStatus) int { return cmp.Or(compareNames(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	if len(s.Brokers) == 0 && len(s.Hosts) > 0 {
		s.fault(faultBroker, "it runs a broker, but the mesh does not know it")
	}
}

// judgeRoutes names pairs of brokers without a route. Each side must know it, as far as it answered.
func (s *Status) judgeRoutes() {
	routes := map[identity.ID][]string{}
	carries := map[identity.ID]bool{}
	for _, h := range s.Hosts {
		if h.Broker {
			routes[h.Node], carries[h.Node] = h.Routes, true
		}
	}
	for i, a := range s.Brokers {
		for _, b := range s.Brokers[i+1:] {
			if a.Answered && !carries[a.Node] || b.Answered && !carries[b.Node] {
				continue // it is told already that this is no broker
			}
			missing := a.Answered && !slices.Contains(routes[a.Node], string(b.Node)) || b.Answered && !slices.Contains(routes[b.Node], string(a.Node))
			if missing {
				s.fault(faultRoute, fmt.Sprintf("no route between the brokers of %s and %s: hosts and admins on one do not hear the other", a.Name, b.Name), a.Name, b.Name)
			}
		}
	}
}

func (s *Status) judgeClocks() {
	ahead, behind := 0, 0
	for _, h := range s.Hosts {
		if !h.Clock.Off(clockLimit) {
			continue
		}
		text := "its clock is %s behind this machine's"
		if h.Clock.Offset > 0 {
			text = "its clock is %s ahead of this machine's"
			ahead++
		} else {
			behind++
		}
		s.fault(faultClock, fmt.Sprintf(text, clockText(h.Clock)), h.Name)
	}
	if n := len(s.Hosts); n >= 2 && 2*max(ahead, behind) > n {
		s.fault(faultClock, "most hosts' clocks differ from this machine's in the same direction; this machine's clock is probably wrong")
	}
}

func clockText(c client.Clock) string {
	return fmt.Sprintf("%s (within %s)", c.Offset.Abs().Round(100*time.Millisecond), c.Within.Round(time.Millisecond))
}
