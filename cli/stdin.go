package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"fleet/job/filter"
)

// Host lists. `fleet find ... | fleet run ...` must select what find printed, and must not hang where nobody writes.
// The rule, told in `fleet help filters`:
//
//   - a terminal, /dev/null (any device) or a closed standard input is no list;
//   - anything else there (a pipe, a file, a socket) is read to its end before anything is asked, and must name a host:
//     an empty list is an error and never means every host. If nothing at all comes within stdinPatience, that is an
//     error too, because nobody can tell a slow list from none;
//   - --nodes FILE is read instead and standard input left alone; --nodes - reads standard input, whatever it is, and
//     waits for as long as it takes;
//   - a list only narrows: beside -I or another filter, a host must be in the list and match.
const (
	// stdinPatience is longer than fleet find takes where all hosts are well, and short enough for a job in CI.
	stdinPatience = 10 * time.Second
	// stdinQuiet is how long nothing is said about the wait.
	stdinQuiet = time.Second
)

// holdsList reports whether standard input is something that a host list comes through.
func holdsList(r io.Reader) bool {
	if r == nil {
		return false
	}
	f, ok := r.(interface{ Stat() (os.FileInfo, error) }) // as os.File has it
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeDevice|os.ModeDir) == 0
}

// hostList reads the lists that are given; ok is false where there is none. It blocks until they end or ctx does.
func (e *env) hostList(ctx context.Context, files []string) (names []string, ok bool, err error) {
	if len(files) == 0 {
		if !holdsList(e.stdin) {
			return nil, false, nil
		}
		names, err = e.readStdin(ctx, e.patience)
		return names, true, err
	}
	for _, file := range files {
		var more []string
		if file == "-" {
			if e.stdin == nil {
				return nil, true, usagef("--nodes -: standard input is closed")
			}
			more, err = e.readStdin(ctx, 0)
		} else {
			more, err = readNodesFile(file)
		}
		if err != nil {
			return nil, true, err
		}
		for _, n := range more {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names, true, nil
}

func readNodesFile(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usagef("--nodes: %w", err)
	}
	defer f.Close()
	names, err := filter.ReadNames(f)
	if err != nil {
		return nil, usagef("--nodes %s: %w", file, err)
	}
	return names, nil
}

// readStdin reads a host list from standard input. patience bounds the wait for its first byte; 0 is no bound.
func (e *env) readStdin(ctx context.Context, patience time.Duration) ([]string, error) {
	type list struct {
		names []string
		err   error
	}
	begun, done := make(chan struct{}), make(chan list, 1)
	go func() { // outlives this call if nobody writes: a read cannot be taken back, and the process ends
		r := bufio.NewReader(e.stdin)
		_, err := r.Peek(1)
		close(begun)
		if err != nil {
			done <- list{err: err}
			return
		}
		names, err := filter.ReadNames(r)
		done <- list{names, err}
	}()
	var tooLong, quiet <-chan time.Time
	if patience > 0 {
		long, short := time.NewTimer(patience), time.NewTimer(stdinQuiet)
		defer long.Stop()
		defer short.Stop()
		tooLong, quiet = long.C, short.C
	}
	for {
		select {
		case <-begun:
			begun, tooLong, quiet = nil, nil, nil
		case <-quiet:
			quiet = nil
			e.note("waiting for host names on standard input; %s", hintStdin)
		case <-tooLong:
			return nil, usagef("no host name arrived on standard input within %s; nothing was sent", patience).with(hintStdin, hintSlow)
		case <-ctx.Done():
			return nil, ctx.Err()
		case l := <-done:
			switch {
			case errors.Is(l.err, io.EOF):
				return nil, (&problem{ending: endNothing, err: errors.New("the host list on standard input is empty; nothing was sent")}).with(hintEmptyList)
			case l.err != nil:
				return nil, usagef("standard input: %w", l.err).with(hintStdin)
			}
			return l.names, nil
		}
	}
}

// hosts turns a selection into the filter that is sent, reading the lists that belong to it.
func (e *env) hosts(ctx context.Context, s selection) (filter.Filter, error) {
	f, err := filter.Build(s.flags)
	if err != nil {
		return f, usagef("%w", err).with(hintFilters)
	}
	names, ok, err := e.hostList(ctx, s.nodes)
	if err != nil || !ok {
		return f, err
	}
	if len(f.Identities) > 0 {
		matcher, err := filter.Compile(filter.Filter{Identities: f.Identities})
		if err != nil {
			return f, usagef("%w", err)
		}
		listed := len(names)
		names = slices.DeleteFunc(names, func(n string) bool {
			fits, err := matcher.Match(ctx, nameOnly(n))
			return err != nil || !fits
		})
		if len(names) == 0 {
			return f, (&problem{ending: endNothing, err: fmt.Errorf("none of the %d hosts in the list matches %s; nothing was sent",
				listed, filter.Filter{Identities: f.Identities})}).with(hintStdin)
		}
	}
	f.Identities = []string{filter.FoldNodes(names)}
	if _, err := filter.Compile(f); err != nil {
		return f, usagef("read the host list: %w", err)
	}
	return f, nil
}

// nameOnly is a host of which nothing but the name is known.
type nameOnly string

func (n nameOnly) Name() string          { return string(n) }
func (nameOnly) Fact(string) (any, bool) { return nil, false }
func (nameOnly) Classes() []string       { return nil }
func (nameOnly) Agents() []string        { return nil }
func (nameOnly) HasData(string) bool     { return false }
func (nameOnly) Data(context.Context, string, string) (map[string]any, error) {
	return nil, errors.New("only the name is known")
}
