package cli

import "syscall"

// withoutDumps keeps this process's memory, which may hold a key, out of core dumps and from other processes of the same
// user. What it starts is not touched: the kernel forgets the setting at exec. Where it fails there is nothing to be done.
func withoutDumps() {
	const dumpable = 4 // PR_SET_DUMPABLE, prctl(2)
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, dumpable, 0, 0)
}
