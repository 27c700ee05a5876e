// Package gate decides what a node does with bytes that came from a broker: Judge is the one way from there to an action.
//
// It is one function, read from top to bottom, in an order that gives nothing away and does no work for strangers:
//
//  1. size and strict decoding
//  2. signer in the roster
//  3. signature
//  4. fleet
//  5. time
//  6. claim
//  7. targets and filter
//  8. policy
//  9. action exists
//  10. arguments
//  11. mode
//  12. audit
//
// Steps 1 to 3 drop what does not hold, without an answer. From there on whatever stops the job is told to its signer. The claim
// (6) is the journal's: of the jobs of one id it lets the first go on, and a change is on disk then. From the claim on nothing
// has happened but that; the targets, the filter, the policy, the action and its arguments only look. A job in match mode ends at 11:
// it would run. The line of a change that may run is on disk (12) before Judge returns; where it cannot be written, the change is
// refused. Every other way out writes its line too (ends.go).
//
// The runner takes a Passed, and only the last line of Judge makes one: forgetting to verify does not compile.
package gate
