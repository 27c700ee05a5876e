package cli

import (
	"fmt"
	"slices"
	"strings"

	"fleet/cli/report"
	"fleet/client"
	"fleet/node/audit"
)

// unexplained names the hosts of which no peer wrote down that it let them in. What each says of itself is in its statement, which an
// admin's token vouches for; who admitted it, only the peer that did can say.
func (e *env) unexplained(outcomes []client.Outcome, logs []report.AuditHost) {
	admitted := map[string]bool{}
	for _, h := range logs {
		for _, l := range h.Lines {
			if l.Event == audit.Admission && l.Decision == audit.Admit {
				admitted[l.Key] = true
			}
		}
	}
	var lines []string
	for _, o := range outcomes {
		if who := o.Identity; who.ID != "" && !admitted[string(who.ID)] {
			lines = append(lines, fmt.Sprintf("%s (%s), %s since %s, with token %s", report.Sanitise(who.Name), who.ID, who.Role, who.Made.Format(report.Stamp), who.Token))
		}
	}
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	e.note("no line says who let these in; there is none for a host that came before the lines shown, or by a peer that is gone:\n  %s", strings.Join(lines, "\n  "))
}
