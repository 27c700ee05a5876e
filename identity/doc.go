// Package identity is who is who: keys, certificates, the roster, join tokens.
//
// Everything hangs on one Ed25519 root key, made by `fleet init` and kept on the admin's machine. Its public half is
// pinned on every host at admission. The root signs two things and is needed for nothing else:
//
//	root key ──signs──> roster            the admins' public keys and what they may do
//	         └─signs──> issuing CA ──signs──> node certificates (X.509, 14 days)
//
//	admin key ──signs──> jobs and join tokens        because the roster names it
//	node key  ──signs──> replies                     because a node certificate names it
//	token key ──signs──> one request to be admitted  because an admin signed the token's record
//
// The two branches never meet: the issuing CA makes nodes and cannot make an admin; the roster makes admins and cannot
// make a node. Each kind of key has its own Go type and its own text prefix, and each kind of message is signed under
// its own context, so a signature made for one purpose verifies for no other.
//
// # Wire layout
//
// A signed message is the 64-byte signature followed by the exact bytes that were signed; the signature is over
// context + "\0" + those bytes. Nothing is ever encoded again to be verified. The bytes are CBOR (internal/wire) with
// small integer keys, as the struct tags say.
//
// A certificate chain is exactly two certificates: the leaf and the issuing CA. The root itself is not a certificate
// but a pinned key. The leaf says who it is in URI subject alternative names:
//
//	fleet://FLEET/peer/NODE            or member, or ephemeral; in the issuing CA: fleet://FLEET/issuing
//	fleet:seal:BASE64                  X25519 key that others seal to
//	fleet:label:NAME=VALUE             one each, attested by whoever signed the token
//
// An admin connects with a self-signed certificate of the key that signs jobs, a host to be admitted with one of its
// token's key that carries the signed token record (fleet:token:BASE64).
package identity
