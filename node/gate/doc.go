// Package gate decides what a node does with bytes that came from a broker: Judge is the one way from there to an action.
//
// It is one function, read from top to bottom, in an order that gives nothing away and does no work for strangers:
//
//  1. size and strict decoding
//  2. signer in the roster
//  3. signature
//  4. fleet
//  5. share
//  6. time
//  7. roster
//  8. targets
//  9. right
//  10. hosts
//  11. not seen before
//  12. filter
//  13. policy
//  14. action exists
//  15. declaration
//  16. arguments
//  17. mode
//  18. claim
//  19. audit
//
// Steps 1 to 3 drop what does not hold, without an answer. Step 5 puts off what finds no room (share.go): its signer is told, and it
// may come again. Whatever else stops the job is told to its signer too, and the same
// bytes are stopped again when they come again, whatever has become of the host. Bytes, and not the id: a job that lacked a second
// signature runs once it comes with it.
//
// A job names the roster that its signer knows. A host with an older one fetches it first (7), and judges by it: nobody sends a
// job by the new rules and has it judged by the old ones. What cannot be fetched is refused.
//
// A signer whom no rule can allow the action here is refused (9) before the job claims anything or its filter is looked at. He takes
// no room from others: of what was refused the journal forgets his own first, and the audit limits such lines. Whether a rule can is
// asked by the action's name, the labels and the time (policy.Reach), and never says no where the policy (13) would say yes.
//
// A change lists its hosts (10): one that does not would run wherever its filter matches, and nobody has seen where that is. And it is
// what its signer took it for (15): a program that knows another declaration of the action, perhaps as a read, has let him confirm
// another thing, and planned it otherwise. These two keep what is decided in the job, whoever wrote the program that signed it.
//
// Of the jobs of one id the journal lets only the first go on (11), and holds the others off until it is decided about. The
// filter, the policy, the action and its arguments only look. A job in match mode ends at 17: it would run. The
// claim of a change that may run is on disk (18) and so is its line in the audit (19) before Judge returns; where one of them cannot
// be written, the change is refused. Every other way out writes its line too (ends.go).
//
// A rule may ask for a second key above a share of the fleet. The fleet is as large as its root says in the roster, or as this host
// knows if that is less, and what a signer changed within an hour counts together (alone.go).
//
// A filter's data functions are reads: each answers only whom the policy would let run that read, with that argument, on this host
// (selects.go). One filter of a signer asks them at a time.
//
// The runner takes a Passed, and only the last line of Judge makes one: forgetting to verify does not compile.
package gate
