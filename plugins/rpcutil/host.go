package rpcutil

import (
	"context"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Host is what the plugin needs to know of the node. The methods may be called at once from several goroutines and do not
// block. What they return is shared and must not be changed.
type Host interface {
	About() answers.About
	Labels() map[string]string // attested at admission
	Plugins() []plugin.Declaration
	Stats() map[string]int64 // counters since the node started
}

// Facts is what the plugin needs to know of the host. The methods may be called at once from several goroutines; only
// Refresh blocks. What they return is shared and must not be changed.
type Facts interface {
	Fact(path string) (any, bool) // a dotted path, such as os.release.major; labels included
	Collected() Collected
	Refresh(ctx context.Context) // collects the facts again; blocks until that is done or ctx ends
}

// Collected is what was collected last.
type Collected struct {
	Facts    map[string]any
	Taken    time.Time
	Classes  []string
	Problems []answers.Problem
}
