// Package report makes what is printed about hosts: for people (a table with equal lines folded, counts, a tally and
// every silent host by name) and for programs (JSON, JSON lines, YAML, CSV, names). It turns values into bytes and
// prints nothing itself; it knows neither flags nor exit codes.
//
// What hosts say is foreign: a compromised host must not be able to draw on an admin's terminal. Every text that
// reaches a line for people goes through Sanitise, every JSON document through EscapeJSON.
package report
