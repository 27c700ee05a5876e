package sim

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Rates say how many of the hosts misbehave, as shares from 0 to 1. The three kinds do not overlap.
type Rates struct {
	Lying   float64       // answers once, with a reply that must not be believed; see lie
	Failing float64       // every second one never answers, the others close their connection instead
	Lagging float64       // answers late
	Lag     time.Duration // how late, in the mean; exponentially distributed, at most lagCap times as much
}

// lagCap bounds one host's delay, so that it is known for how long to wait.
const lagCap = 5

// Worst is the longest delay that a lagging host may have.
func (r Rates) Worst() time.Duration {
	if r.Lagging == 0 {
		return 0
	}
	return lagCap * r.Lag
}

// Check says what is wrong with r.
func (r Rates) Check() error {
	for _, share := range []float64{r.Lying, r.Failing, r.Lagging} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("a share of the hosts is between 0%% and 100%%, not %g%%", share*100)
		}
	}
	if sum := r.Lying + r.Failing + r.Lagging; sum > 1 {
		return fmt.Errorf("lying, failing and lagging hosts are %g%% together, and cannot be more than 100%%", sum*100)
	}
	if r.Lag < 0 || r.Lag > time.Minute || r.Lagging > 0 && r.Lag == 0 {
		return fmt.Errorf("hosts may lag by more than nothing and up to a minute, not %s", r.Lag)
	}
	return nil
}

// nature is how a host behaves.
type nature int

const (
	truthful nature = iota
	lying
	mute
	leaving
	lagging
)

// honest says that such a host does as a node does, if late.
func (n nature) honest() bool { return n == truthful || n == lagging }

// natures deals the natures out: as many of each as its share makes of n, to the hosts that the seed chooses.
func natures(n int, r Rates, seed uint64) []nature {
	all := make([]nature, n)
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	deal := func(share float64, kinds ...nature) {
		for i := range min(int(math.Round(share*float64(n))), len(order)) {
			all[order[0]] = kinds[i%len(kinds)]
			order = order[1:]
		}
	}
	deal(r.Lying, lying)
	deal(r.Failing, mute, leaving)
	deal(r.Lagging, lagging)
	return all
}

// Deed is what a host did about a job.
type Deed string

const (
	Nothing  Deed = "" // the job never came, or did not hold
	Answered Deed = "answered"
	Lied     Deed = "lied"
	Ignored  Deed = "did not answer"
	Went     Deed = "closed its connection"
)

// deeds are what all hosts did about one job.
type deeds map[string]Deed

// Difference is a host of which the client says something else than what it did.
type Difference struct{ Host, Did, Told string }

// Tally is how many hosts ended how, by what they did.
type Tally struct {
	Answered int // told as an end
	Silent   int // told as silent: said nothing, or went
	Rejected int // told as silent too: what it said did not hold
}

// Compare compares what the hosts did about a job with what a client told of it: by host, how it ended (state, "silent" or
// "no match"), and how many replies it rejected. Hosts that told holds and that are not simulated are left alone.
func (w *World) Compare(jobID string, told map[string]string, rejected int) (Tally, []Difference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var t Tally
	var wrong []Difference
	for _, h := range w.hosts {
		did, said := w.deeds[jobID][h.name], told[h.name]
		switch did {
		case Answered:
			t.Answered++
		case Lied:
			t.Rejected++
		default:
			t.Silent++
		}
		if silent := said == "silent"; silent != (did != Answered) || said == "" {
			wrong = append(wrong, Difference{h.name, cmp.Or(string(did), "was not reached"), cmp.Or(said, "nothing")})
		}
	}
	if t.Rejected != rejected {
		wrong = append(wrong, Difference{"all together", fmt.Sprintf("lied %d times", t.Rejected), fmt.Sprintf("%d replies rejected", rejected)})
	}
	slices.SortFunc(wrong, func(a, b Difference) int { return cmp.Compare(a.Host, b.Host) })
	return t, wrong
}
