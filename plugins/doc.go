// Package plugins combines the plugins: the set that a node runs, the declarations for programs that only ask, and
// what a declaration looks like to a person: the words of a command line (Words) and the page of `fleet plugin doc`
// (Document).
//
// The package plugin defines what a plugin is; each built-in one has a package of its own beside it. A declaration
// that could not be honoured (a pattern that does not compile, a summary of an output that does not exist) is refused
// here, when the set is made, so that all later code may rely on it.
package plugins
