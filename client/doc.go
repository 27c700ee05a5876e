// Package client is the asking side: it connects to a broker, signs jobs, gathers replies and accounts for every host.
//
// A run starts from the expected set: the hosts that membership, as the brokers know it, says are there. It ends as soon
// as every live one has answered, and never waits for a timer unless a live host owes an answer. Hosts that are known
// but failed are not waited for; they are named. Every reply is verified before it counts; what does not verify is
// counted apart. At the end each target is in exactly one state, and the states add up to the plan.
//
// Reads go out in one round: the signed job carries the filter, and a host that does not match says so. Changes are
// planned first, with a signed match that runs nothing, and then carry the exact list of targets.
package client
