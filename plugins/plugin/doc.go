// Package plugin defines what a plugin declares and how it is called.
//
// A plugin is a Declaration (its actions, their typed inputs with checks, their outputs and summaries, and their time
// limits) and the code behind it. Everything that a person or another program sees of a plugin comes from the
// declaration: argument checks on both sides of the wire, help, completion, columns, and the count per value below a
// run. The code sees only arguments that satisfy the declaration, as Go values, and returns a Result; it never sees a
// flag, a socket or a signature.
//
// Read actions only inspect. Change actions may modify the host; their callers plan them, ask for confirmation and
// journal them. A Change must be idempotent: if everything is already as requested it returns Unchanged, not a failure;
// if the request does not apply here (no such service or package on this host) it returns Skipped.
package plugin
