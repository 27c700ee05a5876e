// Package identity defines who is who: keys, certificates, the roster, join tokens.
//
// Everything depends on one Ed25519 root key, created by `fleet init` and kept on the admin's machine. Its public half is
// pinned on every host at admission. The root signs two things and is needed for nothing else:
//
//	root key ──signs──> roster            the admins' public keys and what they may do
//	         └─signs──> issuing CA ──signs──> node certificates (X.509, 14 days)
//
//	admin key ──signs──> jobs and join tokens        because the roster names it
//	node key  ──signs──> replies                     because a node certificate names it
//	token key ──signs──> one request to be admitted  because an admin signed the token's record
//
// The two branches never meet: the issuing CA certifies nodes and cannot create an admin; the roster names admins and
// cannot create a node. Each kind of key has its own Go type and its own text prefix, and each kind of message is signed
// under its own context, so a signature made for one purpose verifies for no other.
//
// # Wire layout
//
// A signed message is the 64-byte signature followed by the exact bytes that were signed; the signature is over
// context + "\0" + those bytes. Nothing is re-encoded to be verified. The bytes are CBOR (internal/wire) with
// small integer keys, as the struct tags say.
//
// A certificate chain is exactly two certificates: the leaf and the issuing CA. The root itself is not a certificate
// but a pinned key. The leaf states its identity in URI subject alternative names:
//
//	fleet://FLEET/peer/NODE            or member, or ephemeral; in the issuing CA: fleet://FLEET/issuing
//	fleet:seal:BASE64                  X25519 key that others seal to
//	fleet:label:NAME=VALUE             one URI for each label, attested by the admin who signed the token
//
// An admin connects with a self-signed certificate of the key that signs jobs. A host to be admitted connects with one of
// its token's key, which contains the signed token record (fleet:token:BASE64).
package identity
