// Package contrast finds what sets some hosts apart from the others: the facts and classes that they have and the others
// lack, or the other way round. It is pure, and its work grows with the number of properties times the groups asked about.
package contrast

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Key names a property: a fact, or a class.
type Key struct {
	Class bool
	Name  string
}

// Host is what one host has. The value of a class is "".
type Host map[Key]string

// Reason is a property and who has it. Few and Many count the hosts of the group and the others that do.
type Reason struct {
	Key   Key
	Value string
	Any   bool // it is about having the property at all, whatever its value
	Few   int
	Many  int
	Also  []string // other facts with the same value on as many hosts
}

// Bounds of an answer.
const (
	maxExact = 5
	maxWeak  = 3   // if nothing is exact
	weakest  = 0.5 // by how much the shares of the group and of the others must differ
)

// Index is hosts that groups are to be told from.
type Index struct {
	hosts   int
	columns map[Key]map[string][]int // who has each value
}

// New indexes the hosts. about is each host's value of what is to be explained, "" for none: a property that only says
// the same, as 5.10 does of 5.10.0-9, explains nothing and is left out.
func New(hosts []Host, about []string) *Index {
	x := &Index{hosts: len(hosts), columns: map[Key]map[string][]int{}}
	differs := map[Key]bool{}
	for i, h := range hosts {
		for k, v := range h {
			column, known := x.columns[k]
			if !known {
				column = map[string][]int{}
				x.columns[k] = column
			}
			column[v] = append(column[v], i)
			differs[k] = differs[k] || !restates(v, about[i])
		}
	}
	for k, column := range x.columns {
		same := len(column) == 1
		for _, who := range column {
			same = same && len(who) == len(hosts) // what all hosts have tells none of them apart
		}
		if same || !differs[k] {
			delete(x.columns, k)
		}
	}
	return x
}

// restates reports whether one text is the other, or its beginning up to a dot, dash or the like.
func restates(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && a != "" && (rest == "" || strings.ContainsRune(".-_+~: ", rune(rest[0])))
}

// Explain returns what sets the hosts marked in group apart from all others, the clearest first: what is true of all of
// them and of no other host (or the reverse) or, if there is nothing of the kind, what is true of far more of them.
func (x *Index) Explain(group []bool) []Reason {
	few := 0
	for _, in := range group {
		if in {
			few++
		}
	}
	many := x.hosts - few
	if few == 0 || many == 0 {
		return nil
	}
	var found []Reason
	for k, column := range x.columns {
		if r, ok := best(k, column, group, few, many); ok {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.strength(few, many), a.strength(few, many)), cmp.Compare(b.share(few, many), a.share(few, many)),
			cmp.Compare(depth(a.Key), depth(b.Key)), strings.Compare(a.Key.Name, b.Key.Name), strings.Compare(a.Value, b.Value))
	})
	found = fold(found)
	exact := 0
	for exact < min(len(found), maxExact) && found[exact].Exact(few, many) {
		exact++
	}
	if exact > 0 {
		return found[:exact]
	}
	return found[:min(len(found), maxWeak)]
}

// best is what one property says of the group; ok is false where that is little.
func best(k Key, column map[string][]int, group []bool, few, many int) (best Reason, ok bool) {
	any := Reason{Key: k, Any: true}
	var values []Reason
	alone := 0 // hosts outside the group whose value no other of them has
	for v, hosts := range column {
		r := Reason{Key: k, Value: v}
		for _, i := range hosts {
			if group[i] {
				r.Few++
			} else {
				r.Many++
			}
		}
		any.Few, any.Many = any.Few+r.Few, any.Many+r.Many
		if r.Many == 1 {
			alone++
		}
		values = append(values, r)
	}
	better := func(r Reason) {
		s, than := r.strength(few, many), best.strength(few, many)
		if s >= weakest && (!ok || s > than || s == than && (r.share(few, many) > best.share(few, many) || r.share(few, many) == best.share(few, many) && r.Value < best.Value)) {
			best, ok = r, true
		}
	}
	better(any)
	identifies := few == 1 && 2*alone > any.Many // a serial number or an address: every host has its own
	for _, r := range values {
		lone := r.Few+r.Many == 1 && !r.Exact(few, many) // what one host alone has says nothing of a larger group
		if !k.Class && !lone && !(identifies && r.Few == 1) {
			better(r)
		}
	}
	return best, ok
}

// Exact reports whether all of one side have the property and none of the other.
func (r Reason) Exact(few, many int) bool {
	return r.Few == few && r.Many == 0 || r.Few == 0 && r.Many == many
}

// share is by how much more of the group have it than of the others: 1 if all do and no other, -1 for the reverse.
func (r Reason) share(few, many int) float64 {
	return float64(r.Few)/float64(few) - float64(r.Many)/float64(many)
}

func (r Reason) strength(few, many int) float64 { return math.Abs(r.share(few, many)) }

// depth puts plain facts before those inside structured ones.
func depth(k Key) int { return strings.Count(k.Name, ".") }

// fold puts facts that say the same of as many hosts under the first of them.
func fold(found []Reason) []Reason {
	type same struct {
		value     string
		few, many int
	}
	at := map[same]int{}
	var out []Reason
	for _, r := range found {
		key := same{r.Value, r.Few, r.Many}
		i, known := at[key]
		if r.Any || !known {
			if !r.Any {
				at[key] = len(out)
			}
			out = append(out, r)
			continue
		}
		out[i].Also = append(out[i].Also, r.Key.Name)
	}
	return out
}
