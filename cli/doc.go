// Package cli is the command line: the commands, their flags, the config file, what is printed and the exit codes. It is
// the only package that prints, and the one place that connects the other packages.
//
// # From a line to an exit code
//
//	Main        collects what the process was given (standard streams, environment, signals) in an env; tests make their own
//	args.go     splits the line with knowledge of every flag: flags work anywhere, an unknown one is an error
//	verbs.go    the table of commands; one file per verb
//	options.go  flags become typed options: parse first, then act
//	stdin.go    host lists, and when standard input is read as one
//	change.go   plans a change, shows the plan, asks, and sends the change to exactly those hosts
//	report/     what is printed about hosts, for people and for programs; knows nothing of flags
//	exit.go     how a command ended, as an exit code, in one switch
//	hints.go    what to do next, in one style
//
// urfave/cli parses flags and calls the command. It stops reading flags at the first word that is not one, so
// `fleet run service nginx restart -W hagroup=a` would restart every host; that is why args.go runs before it.
package cli
