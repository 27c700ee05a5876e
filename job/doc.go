// Package job is the contract that both sides share: the signed job, the signed reply, the subjects that they travel on,
// the list of hosts as brokers know them, and every limit. It knows nothing of NATS, of nodes or of clients.
//
// # One job
//
// A job is 64 bytes of Ed25519 signature, made by an admin under the context "fleet job v1", followed by the CBOR of
// Job. Everything that decides what happens on which host is inside the signature: plugin, action, arguments, filter,
// targets, time and fleet. Decode gives an Unverified, and the only way to a Job is its Verify.
//
// # Its replies
//
// A reply is 64 bytes of signature, made by the node under "fleet reply v1", followed by the CBOR of Reply, which
// carries the SHA-256 of the whole signed job: a reply to one job is no reply to another. A node answers a job that
// passed its gate with Accepted and then with one of the ends (Result, NoMatch); a read that is quick has only its end.
// A job that held its signature but may not run is answered with Refused and the reason.
package job
