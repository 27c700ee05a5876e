//go:build !linux

package facts

import "runtime"

// uname answers for development machines, where no node runs.
func uname() string { return runtime.GOARCH }
