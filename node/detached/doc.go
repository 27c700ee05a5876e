// Package detached runs actions in processes of their own, so that the end of the agent neither ends them nor loses their answer.
//
// Each has a directory, DATA/jobs/ID, which only the node's user can read. The agent writes what to run into it and starts
// `fleet node act`, as a unit of systemd where it can (unit.go). Agent and process meet in files only, so that neither needs the
// other to be alive:
//
//	job     the signed bytes as they came: for the answer, not to be judged again   written by the agent
//	call    what passed the gate: plugin, action, arguments, time limit             written by the agent
//	room    as long as most results, so that a disk that is full by then does not lose this one   written by the agent
//	lock    held as long as the process lives; holds its pid                        by the process
//	begun   made before the action starts, and never again: it runs at most once    by the process
//	output  what programs printed, up to 16 MiB; it stays for seven days                       by the process
//	result  how it ended, whole or not there                                        by the process
//
// Who finds neither a result nor a holder of the lock knows that the action was cut off. A pid is signalled only while its lock is
// held, so that it cannot be another process's.
package detached
