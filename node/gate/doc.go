// Package gate decides what a node does with bytes that came from a broker: Judge is the one way from there to an action.
//
// It is one function, read from top to bottom, in an order that gives nothing away and does no work for strangers:
// size, strict decode, signer in the roster, signature, fleet, time, seen before, target and filter, policy, action,
// arguments. Until the signature holds, a job is dropped without an answer; after it, whatever stops the job is told to
// its signer.
//
// The runner takes a Passed, and only Judge can make one: forgetting to verify does not compile.
package gate
