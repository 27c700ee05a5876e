// Package report formats what is printed about hosts: for people (a table that folds equal lines, counts, totals, and
// every silent host by name) and for programs (JSON, JSON lines, YAML, CSV, names). It turns values into bytes and
// prints nothing itself; it knows neither flags nor exit codes.
//
// Text from hosts is untrusted: a compromised host must not be able to send control sequences to an admin's terminal.
// Every text that is printed for people goes through Sanitise, every JSON document through EscapeJSON.
package report
