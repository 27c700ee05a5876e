//go:build !linux

package cli

// withoutDumps does nothing where there is no prctl.
func withoutDumps() {}
