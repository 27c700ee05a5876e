// Package identity defines who is who: keys, certificates, the roster, join tokens.
//
// Everything depends on the root: a record of one or more Ed25519 keys, so many of which must sign together. Hosts pin the first
// record at admission (Anchor) and follow its successors (Authority). The root signs documents and is needed for nothing else:
//
//	root keys ──sign──> roster          the admins' public keys and what they may do, and the issuing keys that count
//	issuing key ──signs──> node certificates (X.509, 14 days): this host is welcome
//
//	admin key ──signs──> jobs and tokens' records  because the roster names it
//	token key ──signs──> statements: who a host is because an admin signed the token's record
//	node key  ──signs──> replies and requests      because its statement names it
//
// Who a host is, is an admin's word and the host's own key (statement.go): the issuing CA, which every peer holds, can
// neither make a host nor change one, and cannot create an admin. Each kind of key has its own Go type and its own text prefix, and each kind of message is signed
// under its own context, so a signature made for one purpose verifies for no other.
//
// # Wire layout
//
// A signed message is the 64-byte signature followed by the exact bytes that were signed; the signature is over
// context + "\0" + those bytes. Nothing is re-encoded to be verified. The bytes are CBOR (internal/wire) with
// small integer keys, as the struct tags say.
//
// What the root signs is an envelope of the bytes and the signatures (quorum.go), each over context + "\0" + the hash of the
// fleet's first root record + those bytes.
//
// A certificate chain is exactly two certificates: the leaf and the issuing CA, which signs itself. Each has one URI as subject alternative name:
//
//	fleet://FLEET/issuing              the issuing CA
//	fleet:statement:BASE64             a leaf: the host's statement
//
// An admin connects with a self-signed certificate of the key that signs jobs. A host to be admitted connects with one of
// its token's key, which contains the signed token record (fleet:token:BASE64).
package identity
