// Package plugin is what a plugin says of itself and how it is called.
//
// A plugin is a Declaration (its actions, their typed inputs with checks, their outputs and summaries, the time they
// may take) and code behind it. Everything that a person or another program sees of a plugin comes from the
// declaration, in one place: argument checks on both sides of the wire, help, completion, columns, the count per
// value under a run. The code sees only arguments that the declaration let through, as Go values, and answers with
// a Result; it never sees a flag, a socket or a signature.
//
// Read actions look and change nothing; Change actions may change the host and are planned, asked about and
// journaled by those who call them. A Change must be idempotent: what is already there is Unchanged, not a failure,
// and what cannot be here at all (no such service or package on this host) is Skipped.
package plugin
