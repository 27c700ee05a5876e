package main

import (
	"fmt"
	"slices"
	"strings"
)

// series is what was measured of one thing, in one unit.
type series struct {
	name   string
	values []float64
}

func (s *series) add(values ...float64) { s.values = append(s.values, values...) }

func (s series) sorted() []float64 { return slices.Sorted(slices.Values(s.values)) }

func (s series) median() float64 {
	if len(s.values) == 0 {
		return 0
	}
	return s.sorted()[len(s.values)/2]
}

// spread is the median, the smallest and the largest.
func (s series) spread() string {
	if len(s.values) == 0 {
		return "none"
	}
	v := s.sorted()
	return fmt.Sprintf("%.1f (%.1f-%.1f)", v[len(v)/2], v[0], v[len(v)-1])
}

// table has a column for each size and a row for each thing measured.
type table struct {
	head    string
	columns []string
	rows    []string
	cells   map[string]string // row and column -> text
	numbers map[string][]float64
}

// column begins a column.
func (t *table) column(name string) { t.columns = append(t.columns, name) }

// cell writes into the newest column.
func (t *table) cell(row, text string) {
	if t.cells == nil {
		t.cells, t.numbers = map[string]string{}, map[string][]float64{}
	}
	if !slices.Contains(t.rows, row) {
		t.rows = append(t.rows, row)
	}
	t.cells[row+"\x00"+t.columns[len(t.columns)-1]] = text
}

// measured keeps a number of a row, so that the last and the first can be compared in a column of their own.
func (t *table) measured(row string, value float64) { t.numbers[row] = append(t.numbers[row], value) }

func (t *table) String() string {
	const name, width = 46, 24
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", name, t.head)
	for _, c := range t.columns {
		fmt.Fprintf(&b, "%*s", width, c)
	}
	if len(t.numbers) > 0 {
		fmt.Fprintf(&b, "%12s", "last/first")
	}
	b.WriteByte('\n')
	for _, row := range t.rows {
		fmt.Fprintf(&b, "%-*s", name, row)
		for _, c := range t.columns {
			fmt.Fprintf(&b, "%*s", width, t.cells[row+"\x00"+c])
		}
		if n := t.numbers[row]; len(n) > 0 && n[0] > 0 {
			fmt.Fprintf(&b, "%12.2f", n[len(n)-1]/n[0])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
