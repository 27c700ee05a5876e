// Package program runs other programs, and is the only way in which fleet runs one and waits for it.
//
// A program is run by its arguments, never by a shell. It has no input, "/" as its directory, an environment in which nothing of
// fleet's own is left, and a process group of its own. When the context ends the whole group is stopped: by SIGTERM, and by
// SIGKILL what is left after the grace. Its output goes to writers that keep a bounded part of it; a daemon that holds the
// output open when the program has ended is not waited for.
package program
