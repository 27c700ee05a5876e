package facts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"fleet/internal/trustedfile"
)

// Collect reads all facts and classes anew. It never fails as a whole: what cannot be had is missing, and where
// somebody could repair it there is a Problem. Without executable facts it takes a few milliseconds; with them it
// blocks until all have ended, at most cfg.Timeout each and a minute together. When ctx ends, executables are killed
// and what is there is returned.
func Collect(ctx context.Context, cfg Config) Snapshot {
	taken := time.Now()
	h := newHost(cfg.Root)
	snap := Snapshot{Facts: h.builtin(), Taken: taken}
	problems := h.cloud(snap.Facts)
	if cfg.Metadata != "" {
		problems = append(problems, metadata(ctx, cfg.Metadata, snap.Facts)...)
	}
	custom, more := loadCustom(ctx, cfg)
	maps.Copy(snap.Facts, custom)
	problems = append(problems, more...)
	snap.Classes, more = readClasses(cfg.ClassFiles)
	snap.Problems = tidy(append(problems, more...))
	snap.Took = time.Since(taken)
	return snap
}

// tidy makes problems fit for a terminal and a log, whatever the file had in it, and bounds them.
func tidy(problems []Problem) []Problem {
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems],
			Problem{problems[maxProblems].File, fmt.Sprintf("and %d problems more from here on", more)})
	}
	for i, p := range problems {
		problems[i] = Problem{printable(p.File), printable(p.Error)}
	}
	return problems
}

// printable makes one line without control characters out of foreign text, of at most maxError bytes.
func printable(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) > maxError {
		s = strings.ToValidUTF8(s[:maxError], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

// readClasses reads one class a line, each once. A file that is not there is not a problem.
func readClasses(files []string) (classes []string, problems []Problem) {
	seen := map[string]bool{}
	for _, file := range files {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) { // wherever it is not, whoever owns the folder
			continue
		}
		data, err := readTrusted(file, maxClassFile)
		if err != nil {
			problems = append(problems, Problem{file, err.Error()})
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(trimBOM(data)))
		lines.Buffer(nil, maxClassFile+1)
		for n := 1; lines.Scan(); n++ {
			class := strings.TrimSpace(lines.Text())
			switch {
			case class == "" || class[0] == '#' || seen[class]:
			case len(class) > maxKey || !utf8.ValidString(class) || strings.IndexFunc(class, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
				problems = append(problems, Problem{file, fmt.Sprintf("line %d: is not the name of a class", n)})
			case len(classes) == maxClasses:
				return classes, append(problems, Problem{file, fmt.Sprintf("line %d: more than %d classes", n, maxClasses)})
			default:
				seen[class] = true
				classes = append(classes, class)
			}
		}
	}
	return classes, problems
}

// The beginnings of a Problem's text where a file is refused.
const (
	notRun  = "is not run: "
	notRead = "is not read: "
)

// Refused is true where the problem is that others than root and the node's user could have written the file.
func (p Problem) Refused() bool {
	return strings.HasPrefix(p.Error, notRun) || strings.HasPrefix(p.Error, notRead)
}

// readTrusted reads a file that only root and the node's user can have written: facts and classes decide which jobs a
// host takes for its own, and what its policy allows.
func readTrusted(path string, limit int64) ([]byte, error) {
	real, err := trustedfile.Resolve(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cause(err)
	}
	if err != nil {
		return nil, fmt.Errorf(notRead+"%w", cause(err))
	}
	return readBounded(real, limit)
}

// readBounded reads a regular file of at most limit bytes. It does not block on a FIFO or a device that somebody put
// in the place of a file.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, cause(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d KiB", limit>>10)
	}
	return data, nil
}

// cause drops the path from an error: a Problem has it already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
