// Package cli is what people type: the commands, their flags, the config file, what is printed and the exit codes. It is
// the only package that prints, and the one place that wires the others together.
//
// # From a line to an exit code
//
//	Main        makes an env of what a process has (standard streams, environment, signals); tests make their own
//	args.go     takes the line apart with knowledge of every flag: flags work anywhere, an unknown one is an error
//	verbs.go    the table of commands; one file per verb
//	options.go  flags become typed options: parse first, then do
//	stdin.go    host lists, and when standard input is one
//	change.go   a change is planned, told, asked about, and sent to exactly those hosts
//	report/     what is printed about hosts, for people and for programs; knows nothing of flags
//	exit.go     how a command ended, as an exit code, in one switch
//	hints.go    what to do next, in one voice
//
// urfave/cli parses flags and calls the command. It stops reading flags at the first word that is none, so that
// `fleet run service nginx restart -W hagroup=a` would restart every host; that is why args.go stands before it.
package cli
