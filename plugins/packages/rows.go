package packages

import (
	"iter"
	"strings"
)

// rows yields the lines of a program's table: those in which a separator stands. Whatever else is on standard output,
// such as the progress of dnf 5 and what plugins say, is no row; half a row has a separator, and is for the caller to
// refuse. A carriage return ends a line too: progress is written over.
func rows(text, separator string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r", "\n"), "\n") {
			if strings.Contains(line, separator) && !yield(line) {
				return
			}
		}
	}
}
