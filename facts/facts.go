package facts

import (
	"log/slog"
	"strings"
	"time"

	"fleet/internal/factpath"
)

// Facts are a host's facts by name. Values are nil, bool, string, int64, float64, []any and map[string]any of these,
// nothing else. Facts of a Snapshot are shared: read them, never change them.
type Facts map[string]any

// Snapshot is a host at one moment. It is shared between callers and must not be changed.
type Snapshot struct {
	Facts    Facts
	Classes  []string  // in the order of the class files, each once
	Problems []Problem // what could not be had, in the order of the files
	Taken    time.Time // when the collection began
	Took     time.Duration
}

// Problem is one custom fact or class file, executable or service that did not yield all it should have.
type Problem struct {
	File  string // path, or URL of the metadata service
	Error string // what is wrong with it, with the line where that is known
}

// Config says where facts come from. The zero value collects the built-in facts only.
type Config struct {
	Dirs       []string      // facts.d directories in order; of two files with one fact the later wins; see DefaultDirs
	ClassFiles []string      // files with one class a line; see DefaultClassFiles
	Timeout    time.Duration // for one executable fact; 0 is 10 s. All together have 60 s, four at a time
	Root       string        // where /proc, /sys, /etc and /run are looked for, for tests; "" is "/". Not for Dirs and ClassFiles; interfaces stay the host's own
	Metadata   string        // URL of the EC2 metadata service, such as http://169.254.169.254; "": it is not asked. Costs up to 2 s where nothing answers
	Log        *slog.Logger  // nil: silent
}

// DefaultDirs are the facts.d directories of Facter and fleet; fleet's own comes last and so wins.
func DefaultDirs() []string {
	return []string{
		"/opt/puppetlabs/facter/facts.d",
		"/etc/puppetlabs/facter/facts.d",
		"/etc/facter/facts.d",
		"/etc/fleet/facts.d",
	}
}

// DefaultClassFiles are fleet's classes.txt and the places where Puppet agents of all ages leave theirs.
func DefaultClassFiles() []string {
	return []string{
		"/etc/fleet/classes.txt",
		"/opt/puppetlabs/puppet/cache/state/classes.txt", // Puppet's own packages, 4 and later
		"/opt/puppetlabs/puppet/cache/classes.txt",
		"/var/cache/puppet/state/classes.txt", // Debian's packages, 4 and later
		"/var/cache/puppet/classes.txt",
		"/var/lib/puppet/state/classes.txt", // Puppet 3 and earlier
		"/var/lib/puppet/classes.txt",
	}
}

// Lookup finds a fact by name, as factpath.Find says.
func (f Facts) Lookup(path string) (any, bool) { return factpath.Find(f, path) }

// UnmarshalJSON decodes facts as strictly as custom fact files: whole numbers become int64, a name given twice is an
// error, depth and lengths are bounded (but not the number of values: that is up to the size of data).
func (f *Facts) UnmarshalJSON(data []byte) error {
	m, err := decodeJSON(data, &budget{values: len(data)})
	if err != nil {
		return err
	}
	*f = m
	return nil
}

// set puts a value at a dotted path, making the maps on the way. What is not known ("" or nil) stays out: a fact that
// is missing matches no filter, one that is empty might.
func (f Facts) set(path string, v any) {
	if v == nil || v == "" {
		return
	}
	m := map[string]any(f)
	for {
		key, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			m[key] = v
			return
		}
		inner, ok := m[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[key] = inner
		}
		m, path = inner, rest
	}
}
