package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"fleet/node/checkup"
)

// Doctor is what a checkup found, in the order of the checks.
type Doctor struct {
	Findings []checkup.Finding
	Exit     int
}

// Render writes it in the format; quiet leaves out what is not bad.
func (x Doctor) Render(f Format, v View) ([]byte, error) {
	if f != Table {
		return x.document().encode(f)
	}
	width, count := 0, map[checkup.State]int{}
	for _, c := range x.Findings {
		width = max(width, utf8.RuneCountInString(Sanitise(c.Check)))
		count[c.State]++
	}
	var b strings.Builder
	for _, c := range x.Findings {
		if v.Quiet && c.State != checkup.Bad {
			continue
		}
		check := Sanitise(c.Check)
		fmt.Fprintf(&b, "%-8s %s%s  %s\n", c.State, check, strings.Repeat(" ", width-utf8.RuneCountInString(check)), Sanitise(c.Says))
		if c.Do != "" && c.State != checkup.OK {
			fmt.Fprintf(&b, "%-8s %s  -> %s\n", "", strings.Repeat(" ", width), Sanitise(c.Do))
		}
	}
	if !v.Quiet {
		fmt.Fprintf(&b, "\n%d ok, %d bad, %d skipped\n", count[checkup.OK], count[checkup.Bad], count[checkup.Skipped])
	}
	return []byte(b.String()), nil
}

func (x Doctor) document() document {
	type finding struct {
		Check string        `json:"check"`
		State checkup.State `json:"state"`
		Says  string        `json:"says"`
		Do    string        `json:"do,omitempty"`
	}
	whole := struct {
		Schema string    `json:"schema"` // fleet.doctor/v1
		Checks []finding `json:"checks"`
		Exit   int       `json:"exit"`
	}{"fleet.doctor/v1", []finding{}, x.Exit}
	d := document{header: []string{"check", "state", "says", "do"}}
	for _, c := range x.Findings {
		whole.Checks = append(whole.Checks, finding(c))
		d.each = append(d.each, finding(c))
		d.rows = append(d.rows, []string{c.Check, string(c.State), c.Says, c.Do})
		if c.State == checkup.Bad {
			d.names = append(d.names, c.Check)
		}
	}
	d.whole = whole
	return d
}
