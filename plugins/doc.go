// Package plugins brings the plugins together: the set a node runs, their declarations for those who only ask, and
// what a declaration means to a person: the words of a command line (Words) and the page of `fleet plugin doc`
// (Document).
//
// What a plugin is stands in the package plugin; each built-in one has a package of its own beside it. A declaration
// that could not be kept (a pattern that does not compile, a summary of an output that is not there) is refused here,
// when the set is made, so that everybody after that may rely on it.
package plugins
