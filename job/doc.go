// Package job is the contract that both sides share: the signed job, the signed reply, the subjects they are sent on, the
// list of hosts as brokers know them, and every limit. It knows nothing about NATS, nodes or clients.
//
// # One job
//
// A job is 64 bytes of Ed25519 signature, made by an admin under the context "fleet job v1", followed by the CBOR of
// Job. Everything that decides what happens on which host is covered by the signature: plugin, action, arguments, filter,
// targets, time and fleet. Decode gives an Unverified, and the only way to a Job is its Verify.
//
// # Its replies
//
// A reply is 64 bytes of signature, made by the node under "fleet reply v1", followed by the CBOR of Reply, which
// contains the SHA-256 of the whole signed job, so a reply to one job cannot pass for a reply to another. A node answers
// a job that passed its gate with Accepted and then with one of the final kinds (Result, NoMatch); a quick read has only
// the final one. A job whose signature verified but that may not run is answered with Refused and the reason.
package job
