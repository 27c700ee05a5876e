package service

import (
	"strconv"

	"fleet/internal/lazyregexp"
)

// What a script says, in the words that scripts have for it. A denial is taken out before words for running are looked
// for, since it holds one of them: "not started", "no process found", "none of its workers is running".
var (
	saysUsage   = lazyregexp.New(`(?i)\busage:`)
	saysNot     = lazyregexp.New(`(?i)(?:\bnot|n't|\bnever|\bno longer|\bnon)[ \t_-]+(?:\w+[ \t]+)?(?:running|started|active|up|alive|loaded|online|available|responding|listening)\b|\bno (?:such |running |matching )*process(?:es)?\b|\b(?:0|no|none|nothing)\b[^\n.,;:]{0,40}\b(?:running|started|active|alive|up)\b`)
	saysStopped = lazyregexp.New(`(?i)\b(?:stopped|inactive|down|unused|offline|terminated|exited|killed|halted|gone|missing|not found|stop/waiting)\b|\bprocess(?:es)? not found\b`)
	saysFailed  = lazyregexp.New(`(?i)\b(?:dead|failed|crashed)\b`)
	saysSome    = lazyregexp.New(`\b([0-9]{1,5})(?:/| of | out of )([0-9]{1,5})\b`)
	saysRunning = lazyregexp.New(`(?i)\b(?:running|started|active|alive|online|up|listening|start/running)\b`)
	saysPID     = lazyregexp.New(`(?i)\b(?:pid|pids|process)[ \t]*[:=]?[ \t]*([0-9]{1,10})\b`)
)

// parseStatus reads what `script status` answered: the Linux Standard Base's exit codes, corrected where an old
// script exits with 0 whatever it says, or only knows to tell its usage. A script that says of one process that it runs
// and of another that it does not leaves it unknown: such a service must not pass for running.
func parseStatus(output string, code int) status {
	st := status{State: unknown, ExitStatus: -1, Refused: map[string]string{}}
	switch {
	case saysUsage().MatchString(output):
		return st
	case code == 0:
		st.State = saidState(output)
	case code == 1, code == 2: // dead, but its pid file or its lock file is there
		st.State = failed
	case code == 3:
		st.State = stopped
	}
	if m := saysPID().FindStringSubmatch(output); m != nil && st.State == running {
		if pid, err := strconv.ParseInt(m[1], 10, 32); err == nil && pid > 1 {
			st.PID = pid
		}
	}
	return st
}

// saidState is the state by a script's words alone, where its exit code is 0. One that says nothing is believed.
func saidState(output string) string {
	rest := saysNot().ReplaceAllString(output, " ")
	down := rest != output || saysStopped().MatchString(rest)
	broken := saysFailed().MatchString(rest)
	up := saysRunning().MatchString(rest)
	some := saysSome().FindStringSubmatch(rest)
	switch {
	case up && (down || broken || some != nil && some[1] != some[2]):
		return unknown
	case down:
		return stopped
	case broken:
		return failed
	}
	return running
}
