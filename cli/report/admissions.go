package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/client"
	"fleet/node/audit"
	"fleet/plugins/answers"
)

// recently is how far back a status names who was let in.
const recently = 24 * time.Hour

// namedAtMost is how many hosts a line of the status names.
const namedAtMost = 5

// Admission is a host that a peer wrote down that it let in.
type Admission struct {
	Host  string    `json:"host"`
	Node  string    `json:"node"`
	Peer  string    `json:"peer"`
	Token string    `json:"token"`
	Time  time.Time `json:"time"`
}

// Admissions is what the peers' audit logs say of who was let in.
type Admissions struct {
	Let  []Admission // as far back as the logs and an answer reach
	Told int         // peers that said so
}

// Add adds what one peer answered.
func (a *Admissions) Add(o client.Outcome) {
	page, ok := Read[answers.AuditPage](&o)
	if !ok {
		return
	}
	a.Told++
	for _, l := range page.Lines {
		if e, err := audit.DecodeLine([]byte(l)); err == nil && e.Event == audit.Admission && e.Decision == audit.Admit {
			a.Let = append(a.Let, Admission{e.Signer, e.Key, o.Name, e.Token, e.Time})
		}
	}
}

// judgeAdmissions finds the hosts of which no peer says that it let them in. Without any peer's word that says nothing.
func (s *Status) judgeAdmissions() {
	if s.Admissions.Told == 0 {
		return
	}
	let := map[string]bool{}
	for _, a := range s.Admissions.Let {
		let[a.Node] = true
	}
	for _, h := range s.Hosts {
		if !let[string(h.Node)] {
			s.Unexplained = append(s.Unexplained, h.Name)
		}
	}
}

// recent are the admissions of the last day, the newest first.
func (s *Status) recent() []Admission {
	list := slices.DeleteFunc(slices.Clone(s.Admissions.Let), func(a Admission) bool { return s.Now.Sub(a.Time) > recently })
	slices.SortStableFunc(list, func(a, b Admission) int { return b.Time.Compare(a.Time) })
	return list
}

func (s *Status) admissionLine() string {
	if s.Admissions.Told == 0 {
		return "no peer said whom it let in"
	}
	recent := s.recent()
	line := "none in the last day"
	if len(recent) > 0 {
		var tokens []string // each with its hosts, and the peers that let them in
		hosts, peers := map[string][]string{}, map[string][]string{}
		for _, a := range recent {
			if hosts[a.Token] == nil {
				tokens = append(tokens, a.Token)
			}
			hosts[a.Token] = append(hosts[a.Token], a.Host)
			if !slices.Contains(peers[a.Token], a.Peer) {
				peers[a.Token] = append(peers[a.Token], a.Peer)
			}
		}
		var parts []string
		for _, token := range tokens[:min(len(tokens), namedAtMost)] {
			parts = append(parts, fmt.Sprintf("%s (token %s, by %s)", fewNames(hosts[token]), Sanitise(token), fewNames(peers[token])))
		}
		if more := len(tokens) - len(parts); more > 0 {
			parts = append(parts, plural(more, "more token"))
		}
		line = fmt.Sprintf("%d in the last day: %s", len(recent), strings.Join(parts, "; "))
	}
	if n := len(s.Unexplained); n > 0 {
		line += fmt.Sprintf("; no peer says who let in %s (fleet audit --admissions)", fewNames(s.Unexplained))
	}
	return line
}

// fewNames are names as people read them, not more than a line takes.
func fewNames(names []string) string {
	names = slices.Clone(names)
	slices.SortFunc(names, compareNames)
	shown := names[:min(len(names), namedAtMost)]
	text := Sanitise(strings.Join(shown, ", "))
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
