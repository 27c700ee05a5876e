package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// fragment is what one custom fact file yielded.
type fragment struct {
	file  string
	facts map[string]any
	err   error // with facts: what was left out of them
}

// loadCustom reads all facts.d directories. Files are read side by side, since executables take their time, and then
// merged in their order.
func loadCustom(ctx context.Context, cfg Config) (map[string]any, []Problem) {
	var files []fragment
	for _, dir := range cfg.Dirs {
		files = append(files, listDir(dir)...)
	}
	ctx, cancel := context.WithTimeout(ctx, maxCustom)
	defer cancel()
	timeout := cfg.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for i := range files {
		if files[i].err != nil {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			files[i].facts, files[i].err = loadFile(ctx, files[i].file, timeout)
			<-slots
		})
	}
	wg.Wait()
	return merge(files)
}

// merge lets the later file win and says so.
func merge(files []fragment) (map[string]any, []Problem) {
	merged, from := map[string]any{}, map[string]string{}
	var problems []Problem
	for _, f := range files {
		if f.err != nil {
			problems = append(problems, Problem{f.file, f.err.Error()})
		}
		for _, name := range slices.Sorted(maps.Keys(f.facts)) {
			if loser, twice := from[name]; twice {
				problems = append(problems, Problem{loser, fmt.Sprintf("defines %q, but so does %s, which is later and wins", name, f.file)})
			}
			merged[name], from[name] = f.facts[name], f.file
		}
	}
	return merged, problems
}

// listDir names the files of one directory that may hold facts, sorted. A directory that is not there is empty.
func listDir(dir string) []fragment {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []fragment{{file: dir, err: cause(err)}}
	}
	var files []fragment
	for _, e := range entries {
		if ignored(e.Name()) || e.IsDir() {
			continue
		}
		if len(files) == maxFiles {
			return append(files, fragment{file: dir, err: fmt.Errorf("has more than %d files; those from %s on are left out", maxFiles, e.Name())})
		}
		files = append(files, fragment{file: filepath.Join(dir, e.Name())})
	}
	return files
}

// ignored is true of what editors and package managers leave behind.
func ignored(name string) bool {
	if name[0] == '.' || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") {
		return true
	}
	for _, mark := range []string{".dpkg-", ".ucf-"} {
		if strings.Contains(name, mark) {
			return true
		}
	}
	for _, suffix := range []string{".rpmsave", ".rpmnew", ".rpmorig", ".pacnew", ".pacsave", ".apk-new", ".bak", ".orig", ".swp"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// loadFile reads one file by its suffix, or runs it. As in Facter the suffix decides first: a .yaml with an executable
// bit, as file systems without modes show it, is still data.
func loadFile(ctx context.Context, file string, timeout time.Duration) (map[string]any, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, cause(err)
	}
	if st.IsDir() {
		return nil, nil
	}
	parse := parserFor(strings.ToLower(filepath.Ext(file)))
	if parse == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
		return runFact(ctx, file, timeout)
	}
	if parse == nil && st.Mode().IsRegular() {
		return nil, fmt.Errorf("is neither executable nor has it a known suffix (.toml .json .yaml .yml .txt)")
	}
	data, err := readTrusted(file, maxFile)
	if err != nil {
		return nil, err
	}
	if parse == nil {
		return nil, errors.New("is not a regular file")
	}
	return parse(data)
}
