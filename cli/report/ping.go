package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fleet/client"
	"fleet/job"
	"fleet/job/filter"
)

func joinNodes(names []string) string { return filter.FoldNodes(names) }

// Ping writes who answered and how quickly. It takes a Run for what all reports share.
func (r Run) Ping(f Format, v View, graph bool) ([]byte, error) {
	if f != Table {
		return r.Render(f, v)
	}
	var b strings.Builder
	var times []time.Duration
	var unheard, others []client.Outcome
	width := 0
	list := ordered(r.Outcomes, v.Order)
	for _, o := range list {
		if o.State == job.OK {
			width = max(width, utf8.RuneCountInString(Sanitise(o.Name)))
		}
	}
	for _, o := range list {
		switch {
		case !o.State.Meaning().Answered:
			unheard = append(unheard, o)
			continue
		case o.State != job.OK:
			others = append(others, o)
			continue
		}
		times = append(times, o.RTT)
		if !v.Quiet {
			name := Sanitise(o.Name)
			fmt.Fprintf(&b, "%s%s  time=%.2f ms\n", name, strings.Repeat(" ", width-utf8.RuneCountInString(name)), ms(o.RTT))
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	if graph && len(times) > 0 {
		b.WriteString(sparkline(times) + "\n")
	}
	b.WriteString(statistics(times) + "\n")
	if len(others) > 0 {
		b.WriteString("Another answer from:\n")
		lines(&b, others, silence, painter(v.Colour))
	}
	if len(unheard) > 0 {
		b.WriteString("No answer from:\n")
		lines(&b, unheard, silence, painter(v.Colour))
	}
	if r.Rejected > 0 {
		fmt.Fprintf(&b, "%s failed verification and were ignored\n", replies(r.Rejected))
	}
	return []byte(b.String()), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func statistics(times []time.Duration) string {
	if len(times) == 0 {
		return "0 replies"
	}
	sum := time.Duration(0)
	for _, t := range times {
		sum += t
	}
	return fmt.Sprintf("%s  max: %.2f ms  min: %.2f ms  avg: %.2f ms", replies(len(times)),
		ms(slices.Max(times)), ms(slices.Min(times)), ms(sum/time.Duration(len(times))))
}

// buckets is how wide the sparkline is.
const buckets = 32

// sparkline draws how many answers came when, from the quickest to the slowest.
func sparkline(times []time.Duration) string {
	low, high := slices.Min(times), slices.Max(times)
	count := make([]int, buckets)
	for _, t := range times {
		i := 0
		if high > low {
			i = int(int64(t-low) * (buckets - 1) / int64(high-low))
		}
		count[i]++
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	most := slices.Max(count)
	var b strings.Builder
	for _, n := range count {
		if n == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(bars[(n*len(bars)-1)/most])
	}
	return fmt.Sprintf("%.2f ms |%s| %.2f ms", ms(low), b.String(), ms(high))
}
