package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// Verifier verifies many chains that mostly share an issuing CA, which it checks once, as it does each leaf: a plan and
// the job after it hear the same hosts. It is safe for use by several goroutines. It remembers only what held: as many
// issuing certificates as the root really signed, and maxLeaves leaves.
type Verifier struct {
	root PublicKey[Root]

	mu      sync.RWMutex
	issuing map[string]*x509.Certificate // by DER
	leaves  map[[sha256.Size]byte]leaf   // by SHA-256 of the DER
}

// leaf is a node's certificate that held.
type leaf struct {
	NodeIdentity
	notBefore time.Time
	under     *x509.Certificate // the issuing certificate that it was verified with
}

// NewVerifier returns a Verifier for one fleet.
func NewVerifier(root PublicKey[Root]) *Verifier {
	return &Verifier{root: root, issuing: map[string]*x509.Certificate{}, leaves: map[[sha256.Size]byte]leaf{}}
}

// Verify is VerifyChain. The Labels and the Seal that it returns are shared and must not be changed.
func (v *Verifier) Verify(c Chain, now time.Time) (NodeIdentity, error) {
	sum := sha256.Sum256(c.Leaf)
	v.mu.RLock()
	issuing, known := v.issuing[string(c.Issuing)], v.leaves[sum]
	v.mu.RUnlock()
	if issuing == nil || inTime(issuing, now) != nil || len(c.Leaf) > maxCertDER {
		id, err := VerifyChain(v.root, c, now)
		if err == nil {
			v.rememberIssuing(c.Issuing)
		}
		return id, err
	}
	if known.under == issuing && !now.Before(known.notBefore) && !now.After(known.NotAfter) {
		return known.NodeIdentity, nil
	}
	l, err := verifyLeaf(v.root.ID(), issuing, c.Leaf, now)
	if err == nil {
		v.remember(sum, l)
	}
	return l.NodeIdentity, err
}

func (v *Verifier) rememberIssuing(der []byte) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return
	}
	v.mu.Lock()
	v.issuing[string(der)] = cert
	v.mu.Unlock()
}

// remember makes room, when there is none, by forgetting all: who still speaks is verified once more.
func (v *Verifier) remember(sum [sha256.Size]byte, l leaf) {
	v.mu.Lock()
	if len(v.leaves) >= maxLeaves {
		clear(v.leaves)
	}
	v.leaves[sum] = l
	v.mu.Unlock()
}
