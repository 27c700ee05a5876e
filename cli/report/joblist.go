package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/answers"
)

// Jobs are the changes of the last days, as hosts tell of them.
type Jobs struct {
	list   []*listedJob
	others []client.Outcome // hosts that did not tell
	exit   int
}

type listedJob struct {
	Schema string         `json:"schema,omitempty"` // fleet.job/v1, in JSON lines
	ID     string         `json:"id"`               // the job's, or its plan's
	Parts  int64          `json:"jobs,omitempty"`   // in how many jobs the plan goes out
	Came   string         `json:"came,omitempty"`   // to the first host
	Signer string         `json:"signer,omitempty"`
	Reason string         `json:"reason,omitempty"` // why, in the signer's words
	Plugin string         `json:"plugin,omitempty"`
	Action string         `json:"action,omitempty"`
	Args   map[string]any `json:"args,omitempty"`
	Tally  map[string]int `json:"tally"` // state -> hosts
}

// JobList puts together what hosts answered to the action list of the plugin jobs; lists[i] is that of Outcomes[i].
func JobList(asked Run, lists []answers.Jobs) Jobs {
	x := Jobs{exit: asked.Exit}
	byID := map[string]*listedJob{}
	for i, o := range asked.Outcomes {
		if o.State != job.OK {
			x.others = append(x.others, o)
			continue
		}
		seen := map[string]bool{}
		for _, told := range lists[i].Jobs {
			id := cmp.Or(told.Plan, told.ID)
			if !job.ValidID(id) || seen[id] { // each host counts once: by the newest portion that came to it
				continue
			}
			seen[id] = true
			j := byID[id]
			if j == nil {
				j = &listedJob{ID: id, Tally: map[string]int{}}
				byID[id] = j
				x.list = append(x.list, j)
			}
			j.add(told)
		}
	}
	slices.SortFunc(x.list, func(a, b *listedJob) int { return -cmp.Compare(a.ID, b.ID) })
	return x
}

func (j *listedJob) add(told answers.Job) {
	j.Tally[told.State]++
	j.Parts = max(j.Parts, told.Parts)
	if came := told.Came.String(); j.Came == "" || came != "" && came < j.Came {
		j.Came = came
	}
	if j.Plugin == "" {
		j.Signer, j.Reason, j.Plugin, j.Action, j.Args = told.Signer, told.Reason, told.Plugin, told.Action, portableData(told.Args)
	}
}

// Render writes the list in the format.
func (x Jobs) Render(f Format) ([]byte, error) {
	whole := struct {
		Schema   string         `json:"schema"` // fleet.jobs/v1
		Jobs     []*listedJob   `json:"jobs"`
		NoAnswer []hostDocument `json:"no_answer"`
		Exit     int            `json:"exit"`
	}{"fleet.jobs/v1", append([]*listedJob{}, x.list...), []hostDocument{}, x.exit}
	for _, o := range x.others {
		whole.NoAnswer = append(whole.NoAnswer, hostDoc(o))
	}
	d := document{whole: whole, header: []string{"id", "came", "signer", "action", "hosts"}}
	for _, j := range x.list {
		each := *j
		each.Schema = "fleet.job/v1"
		d.each, d.names, d.rows = append(d.each, each), append(d.names, j.ID), append(d.rows, j.row())
	}
	if f != Table {
		return d.encode(f)
	}
	var b strings.Builder
	if len(x.list) == 0 {
		b.WriteString("no recent changes\n")
	} else {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, strings.ToUpper(strings.Join(d.header, "\t")))
		for _, row := range d.rows {
			for i := range row {
				row[i] = Sanitise(row[i])
			}
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
	}
	if len(x.others) > 0 {
		b.WriteString("\nNo answer from:\n")
		lines(&b, x.others, silence, false)
	}
	return []byte(b.String()), nil
}

func (j *listedJob) row() []string {
	came := "-"
	if t, err := time.Parse(time.RFC3339, j.Came); err == nil {
		came = t.Local().Format(Stamp)
	}
	var tally []string
	for _, s := range sortedStates(j.Tally) {
		tally = append(tally, fmt.Sprintf("%d %s", j.Tally[s], s))
	}
	what := "-"
	if j.Plugin != "" {
		what = typed(j.Plugin, j.Action, j.Args) + withReason(j.Reason)
	}
	return []string{j.ID, came, cmp.Or(j.Signer, "-"), what, strings.Join(tally, ", ")}
}

// sortedStates has them in the order of a run's tally, and those that it does not know behind.
func sortedStates(tally map[string]int) []string {
	names := sortedKeys(tally)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(job.State(a).Rank(), job.State(b).Rank()) })
	return names
}
