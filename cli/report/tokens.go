package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Token is what is known of one token, without its secret.
type Token struct {
	ID        string            `json:"id"`
	State     string            `json:"state"` // usable, expired or revoked
	Role      string            `json:"role,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Networks  []string          `json:"networks,omitempty"`
	Created   time.Time         `json:"created,omitzero"`
	Expires   time.Time         `json:"expires,omitzero"`
	Elsewhere bool              `json:"elsewhere,omitempty"` // made on another machine; only its id is known
}

// Tokens is a list of tokens.
type Tokens []Token

// Render writes the list in the format.
func (x Tokens) Render(f Format) ([]byte, error) {
	doc := struct {
		Schema string `json:"schema"` // fleet.tokens/v1
		Tokens Tokens `json:"tokens"`
	}{"fleet.tokens/v1", append(Tokens{}, x...)}
	d := document{whole: doc, header: []string{"id", "state", "role", "expires", "labels", "networks"}}
	for _, t := range x {
		d.each, d.names = append(d.each, t), append(d.names, t.ID)
		d.rows = append(d.rows, t.row())
	}
	if f != Table {
		return d.encode(f)
	}
	if len(x) == 0 {
		return []byte("no tokens\n"), nil
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(d.header, "\t")))
	for _, row := range d.rows {
		for i, cell := range row {
			if row[i] = Sanitise(cell); cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	err := w.Flush()
	return []byte(b.String()), err
}

func (t Token) row() []string {
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		labels = append(labels, k+"="+t.Labels[k])
	}
	expires := "made elsewhere"
	if !t.Elsewhere {
		expires = t.Expires.Local().Format(Stamp)
	}
	return []string{t.ID, t.State, t.Role, expires, strings.Join(labels, " "), strings.Join(t.Networks, " ")}
}
