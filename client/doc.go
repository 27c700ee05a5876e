// Package client is the admin's side: it connects to a broker, signs jobs, gathers replies and accounts for every host.
//
// A run starts from the hosts that should answer: those that the brokers' membership lists. It ends as soon as every
// live host has answered, and waits for a timeout only while a live host owes an answer. Hosts that are known to have
// failed are not waited for; they are listed. Every reply is verified before it counts; replies that do not verify are
// counted separately. At the end each target is in exactly one state, and the states add up to the plan.
//
// Reads are sent in one round: the signed job contains the filter, and a host that does not match says so. Changes are
// planned first, with a signed match that runs nothing, and then contain the exact list of targets.
package client
