package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/client"
	"fleet/job"
)

// Render writes the status in the format.
func (s *Status) Render(f Format, v View) ([]byte, error) {
	if f != Table {
		return s.document(v).encode(f)
	}
	var b strings.Builder
	wrong := s.wrongLines()
	if !v.Quiet {
		s.head(&b)
		s.facts(&b)
		if v.Verbose {
			s.each(&b)
		}
	}
	switch {
	case len(wrong) > 0:
		if !v.Quiet {
			b.WriteString("\n")
		}
		b.WriteString("Wrong:\n")
		for _, l := range wrong {
			b.WriteString("  " + l + "\n")
		}
	case !v.Quiet && len(s.Hosts) > 0:
		b.WriteString("\nNo problems found.\n")
	}
	return []byte(b.String()), nil
}

func (s *Status) head(b *strings.Builder) {
	name := cmp.Or(Sanitise(s.Name), "a fleet (no broker returned its name)")
	fmt.Fprintf(b, "%s: %d of %s answered, in %s\n\n", strings.TrimSpace(name+" "+Sanitise(s.ID)), len(s.Hosts), plural(len(s.Hosts)+len(s.Others), "host"), Duration(s.Took))
}

// facts are the lines that every status has.
func (s *Status) facts(b *strings.Builder) {
	row := func(name, text string) { fmt.Fprintf(b, "%-10s %s\n", name, text) }
	row("hosts", s.hostLine())
	if len(s.Brokers) > 0 {
		row("brokers", s.brokerLine())
	}
	if len(s.Hosts) == 0 {
		return
	}
	versions := countOf(s.Hosts, func(h HostStatus) string { return Sanitise(h.Version) })
	protocols := countOf(s.Hosts, func(h HostStatus) string { return strconv.FormatInt(h.Protocol, 10) })
	row("versions", "fleet "+counted(versions, len(s.Hosts))+"; protocol "+counted(protocols, len(s.Hosts)))
	rosters := countOf(s.Hosts, func(h HostStatus) string { return Sanitise(h.document(rosterName).String()) })
	row("documents", "roster version "+counted(rosters, len(s.Hosts))+s.otherDocuments())
	row("clocks", s.clockLine())
	row("views", s.viewLine())
	row("admitted", s.admissionLine())
}

func (s *Status) hostLine() string {
	if len(s.Members) == 0 {
		return "no broker returned the member list"
	}
	presence, roles := map[job.Presence]int{}, map[string]int{}
	for _, m := range s.Members {
		presence[m.Presence]++
		if m.Presence != job.Left {
			roles[string(m.Role)]++
		}
	}
	var parts []string
	for _, r := range sortedKeys(roles) {
		parts = append(parts, plural(roles[r], Sanitise(r)))
	}
	return fmt.Sprintf("%d alive, %d failed, %d left (%s)", presence[job.Alive], presence[job.MemberFailed], presence[job.Left], strings.Join(parts, ", "))
}

// brokerLine has each broker with its connections; there are a handful.
func (s *Status) brokerLine() string {
	var parts []string
	for _, br := range s.Brokers {
		if br.Answered {
			parts = append(parts, fmt.Sprintf("%s (%s)", Sanitise(br.Name), plural(int(br.Clients), "client")))
		} else {
			parts = append(parts, Sanitise(br.Name)+" (did not answer)")
		}
	}
	routes := ""
	if len(s.Brokers) > 1 && !slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == faultRoute || f.Kind == faultBroker }) {
		routes = "; all routes are up"
	}
	return fmt.Sprintf("%d: %s%s", len(s.Brokers), strings.Join(parts, ", "), routes)
}

func (s *Status) otherDocuments() string {
	most := int64(0)
	for _, h := range s.Hosts {
		most = max(most, h.DocumentCount)
	}
	if most <= 1 {
		return ""
	}
	return fmt.Sprintf("; %s in all", plural(int(most), "document"))
}

func (s *Status) clockLine() string {
	h := slices.MaxFunc(s.Hosts, func(a, b HostStatus) int { return cmp.Compare(a.Clock.Offset.Abs(), b.Clock.Offset.Abs()) })
	way := "ahead"
	if h.Clock.Offset < 0 {
		way = "behind"
	}
	return fmt.Sprintf("at most %s from this machine's (%s, %s; give or take %s)", Duration(h.Clock.Offset.Abs()), Sanitise(h.Name), way, Duration(h.Clock.Within))
}

func (s *Status) viewLine() string {
	switch len(s.Views) {
	case 0:
		return "no host reported which members it sees"
	case 1:
		v := s.Views[0]
		if len(v.Hosts) == 1 {
			return fmt.Sprintf("1 host sees %d alive, %d failed", v.Alive, v.Failed)
		}
		return fmt.Sprintf("%s agree: %d alive, %d failed", plural(len(v.Hosts), "host"), v.Alive, v.Failed)
	}
	var parts []string
	for _, v := range s.Views {
		parts = append(parts, plural(len(v.Hosts), "host"))
	}
	return fmt.Sprintf("%d differ (%s)", len(s.Views), strings.Join(parts, ", "))
}

// each has a line for each host that answered.
func (s *Status) each(b *strings.Builder) {
	rows := [][]string{{"HOST", "KIND", "VERSION", "ROSTER", "CLOCK", "VIEW", "BROKER"}}
	for _, h := range s.Hosts {
		at := h.Connected
		if h.Broker {
			at = "its own"
		}
		rows = append(rows, []string{h.Name, h.Kind, h.Version, h.document(rosterName).String(), signed(h.Clock.Offset), h.ViewHash, at})
	}
	b.WriteString("\n" + columns(rows))
}

func signed(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	return "+" + Duration(d)
}

func columns(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(Sanitise(c))))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			c = Sanitise(c)
			line.WriteString(c + strings.Repeat(" ", width[i]-len([]rune(c))+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// wrongLines has all that is wrong, hosts with the same trouble in one line.
func (s *Status) wrongLines() []string {
	var lines []string
	for _, f := range s.Faults {
		switch {
		case f.Kind == faultRoute || len(f.Hosts) == 0:
			lines = append(lines, Sanitise(f.Text))
		default:
			lines = append(lines, joinNodes(sanitised(f.Hosts))+": "+Sanitise(f.Text))
		}
	}
	type group struct {
		text  string
		hosts []string
	}
	var groups []group
	for _, o := range s.Others {
		text := otherText(o)
		i := slices.IndexFunc(groups, func(g group) bool { return g.text == text })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{text: text})
		}
		groups[i].hosts = append(groups[i].hosts, Sanitise(o.Name))
	}
	for _, g := range groups {
		lines = append(lines, joinNodes(g.hosts)+": "+g.text)
	}
	if s.Rejected > 0 {
		lines = append(lines, replies(s.Rejected)+" failed verification and were ignored; -v says why")
	}
	return lines
}

// otherText is what became of a host that did not answer. A clock that is off is the cause of some refusals.
func otherText(o client.Outcome) string {
	text := string(o.State)
	if o.Reason == job.ReasonAction {
		return text + ": its version of fleet is too old to report its status"
	}
	if o.Message != "" {
		text += ": " + Sanitise(o.Message)
	}
	return text
}

func sanitised(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Sanitise(s)
	}
	return out
}

// countOf counts the hosts with each value.
func countOf(hosts []HostStatus, value func(HostStatus) string) map[string]int {
	count := map[string]int{}
	for _, h := range hosts {
		count[value(h)]++
	}
	return count
}

// counted writes values with how many hosts have each, the most frequent first. One value of all needs no number.
func counted(count map[string]int, all int) string {
	values := sortedKeys(count)
	slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	if len(values) == 1 {
		return fmt.Sprintf("%s on %s", cmp.Or(values[0], "unknown"), plural(all, "host"))
	}
	var parts []string
	for _, v := range values {
		parts = append(parts, fmt.Sprintf("%s on %d", cmp.Or(v, "unknown"), count[v]))
	}
	return strings.Join(parts, ", ")
}
