package job

import "slices"

// State is how a job stands, or ended, for one host. Every target of a run ends in exactly one.
type State string

const (
	Running   State = "running" // accepted, and no result yet; only asking for an earlier job shows it
	OK        State = "ok"
	Unchanged State = "unchanged" // nothing to do: the host was already as wanted
	Skipped   State = "skipped"   // the host does not have what the action is for, such as this service or package
	Failed    State = "failed"
	TimedOut  State = "timed out" // the action took longer than it may
	Denied    State = "refused"
	NoRoom    State = "busy"   // had no room for it, however often it was asked, and so has not begun it
	Lost      State = "lost"   // accepted, but no result came
	Silent    State = "silent" // never answered
)

// The exit codes that states lead to. The command's others, such as for wrong usage, are the terminal's.
const (
	ExitOK      = 0
	ExitNothing = 3 // nobody was affected: no host matched, or none has what the action is for
	ExitFailed  = 4
	ExitSilent  = 5
	ExitRefused = 7
)

// Meaning is what a state means to whoever looks at a run. All that prints, counts or exits by a state asks it: a new state
// is a constant, a line in meanings, and whoever reports it.
type Meaning struct {
	State    State
	Fine     bool // as wanted, or still under way: nobody has to look at it
	Trouble  bool // shown even if only some states were asked for; a skipped host is neither fine nor trouble
	Answered bool // the host itself said so
	ByResult bool // a host reports it as an action's result, in a reply of the kind Result
	Exit     int  // exit code of a run in which it is the worst; ExitNothing counts only if every target has it
	Alarm    bool // shown in red; other trouble and skipped hosts in yellow
}

// meanings are in the order in which people read states: good news first, trouble last.
var meanings = [...]Meaning{
	{State: Running, Fine: true, Answered: true, Exit: ExitOK},
	{State: OK, Fine: true, Answered: true, ByResult: true, Exit: ExitOK},
	{State: Unchanged, Fine: true, Answered: true, ByResult: true, Exit: ExitOK},
	{State: Skipped, Answered: true, ByResult: true, Exit: ExitNothing},
	{State: Failed, Trouble: true, Answered: true, ByResult: true, Exit: ExitFailed, Alarm: true},
	{State: TimedOut, Trouble: true, Answered: true, ByResult: true, Exit: ExitFailed, Alarm: true},
	{State: Denied, Trouble: true, Answered: true, Exit: ExitRefused, Alarm: true},
	{State: NoRoom, Trouble: true, Answered: true, Exit: ExitSilent},
	{State: Lost, Trouble: true, ByResult: true, Exit: ExitSilent},
	{State: Silent, Trouble: true, Exit: ExitSilent},
}

// States returns all states with what they mean, in the order in which people read them.
func States() []Meaning { return slices.Clone(meanings[:]) }

// Meaning looks the state up. One that is not known here, such as a later version's, means what Silent does: nobody may
// take it for good news.
func (s State) Meaning() Meaning {
	if s.Known() {
		return meanings[s.Rank()]
	}
	m := meanings[Silent.Rank()]
	m.State = s
	return m
}

// Rank is the state's place in the order in which people read states; an unknown one comes last.
func (s State) Rank() int {
	for i, m := range meanings {
		if m.State == s {
			return i
		}
	}
	return len(meanings)
}

// Known reports whether this version knows the state.
func (s State) Known() bool { return s.Rank() < len(meanings) }
