package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Role is what a host may be in the mesh. It comes from the token.
type Role string

const (
	Peer      Role = "peer"      // may run a broker, holds the issuing key, may admit others
	Member    Role = "member"    // never runs a broker
	Ephemeral Role = "ephemeral" // a member that is forgotten soon after it has gone
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r == Peer || r == Member || r == Ephemeral }

// Certificate is what a chain says that holds: by which issuing key, and until when, the host with this statement is
// welcome. It says nothing of who the host is: Roster.Admit does.
type Certificate struct {
	claim     Claim
	Issuer    ID // of the issuing key
	NotBefore time.Time
	NotAfter  time.Time
}

// Certified is a host with a certificate.
type Certified struct {
	NodeIdentity
	Issuer   ID // of the issuing key that signed the certificate
	NotAfter time.Time
}

// Own is for the host whose certificate it is, which made the statement in it.
func (c Certificate) Own() Certified { return Certified{c.claim.node, c.Issuer, c.NotAfter} }

// Chain is a leaf and the issuing CA's certificate, DER, in this order.
type Chain struct {
	_       struct{} `cbor:",toarray"`
	Leaf    []byte
	Issuing []byte
}

// Issuer holds the issuing CA: its key and that key's own certificate. Peers have one, members never. Which issuing keys count, the
// roster says.
type Issuer struct {
	Key         PrivateKey[Issuing]
	Certificate []byte // DER
}

// NewIssuer makes an issuing CA for a fleet. It counts when the roster names it.
func NewIssuer(fleet Anchor, now time.Time) (Issuer, error) {
	key := NewKey[Issuing]()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "fleet issuing CA"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(issuingLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
		URIs:     []*url.URL{{Scheme: "fleet", Host: string(fleet.ID()), Path: "/issuing"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.signer().Public(), key.signer())
	if err != nil {
		return Issuer{}, fmt.Errorf("make the issuing CA: %w", err)
	}
	return Issuer{Key: key, Certificate: der}, nil
}

// Fits reports whether the certificate is the key's.
func (i Issuer) Fits() bool {
	cert, err := x509.ParseCertificate(i.Certificate)
	if err != nil {
		return false
	}
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	return ok && issuingID(key) == i.Key.Public().ID()
}

// Issue makes a certificate for the host with this statement. It holds for NodeLife; the caller has decided that this host may
// have it.
func (i Issuer) Issue(signed []byte, now time.Time) (Chain, error) {
	return i.issueFor(signed, now, NodeLife)
}

func (i Issuer) issueFor(signed []byte, now time.Time, life time.Duration) (Chain, error) {
	s, err := decodeStatement(signed)
	if err != nil {
		return Chain{}, err
	}
	parent, err := x509.ParseCertificate(i.Certificate)
	if err != nil {
		return Chain{}, fmt.Errorf("issuing certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: s.Name},
		URIs:      []*url.URL{{Scheme: "fleet", Opaque: statementURI + base64.RawURLEncoding.EncodeToString(signed)}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, ed25519.PublicKey(s.Key.b[:]), i.Key.signer())
	if err != nil {
		return Chain{}, fmt.Errorf("issue a certificate for %s: %w", s.Name, err)
	}
	return Chain{Leaf: der, Issuing: i.Certificate}, nil
}

// StatementOf returns the statement in a chain's leaf, without verifying anything.
func StatementOf(c Chain) ([]byte, error) {
	if len(c.Leaf) > maxCertDER {
		return nil, errors.New("certificate is too large")
	}
	leaf, err := x509.ParseCertificate(c.Leaf)
	if err != nil {
		return nil, fmt.Errorf("node certificate: %w", err)
	}
	return statementIn(leaf)
}

// OpenChain checks that a node's chain is of this fleet, as it says itself, and whole, at time now. Whether its issuing key counts is
// for Roster.Admit. It does not use x509.Verify: a chain here is exactly issuing CA -> leaf, and each step can be read below.
func OpenChain(root Anchor, c Chain, now time.Time) (Certificate, error) {
	var none Certificate
	if len(c.Leaf) > maxCertDER || len(c.Issuing) > maxCertDER {
		return none, errors.New("certificate is too large")
	}
	issuing, err := x509.ParseCertificate(c.Issuing)
	if err != nil {
		return none, fmt.Errorf("issuing certificate: %w", err)
	}
	fleet := root.ID()
	switch {
	case len(issuing.URIs) != 1 || issuing.URIs[0].String() != "fleet://"+string(fleet)+"/issuing":
		return none, fmt.Errorf("the certificate belongs to another fleet (this one is %s)", fleet)
	case !issuing.IsCA || issuing.KeyUsage&x509.KeyUsageCertSign == 0:
		return none, errors.New("issuing certificate is not allowed to issue")
	}
	if err := inTime(issuing, now); err != nil {
		return none, fmt.Errorf("issuing certificate: %w", err)
	}
	return openLeaf(root, issuing, c.Leaf, now)
}

func openLeaf(root Anchor, issuing *x509.Certificate, der []byte, now time.Time) (Certificate, error) {
	var none Certificate
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return none, fmt.Errorf("node certificate: %w", err)
	}
	issuingKey, ok := issuing.PublicKey.(ed25519.PublicKey)
	leafKey, ok2 := cert.PublicKey.(ed25519.PublicKey)
	if !ok || !ok2 {
		return none, errors.New("certificate key is not Ed25519")
	}
	if !ed25519.Verify(issuingKey, cert.RawTBSCertificate, cert.Signature) {
		return none, errors.New("node certificate is not signed by its issuing CA")
	}
	if cert.IsCA {
		return none, errors.New("node certificate claims to be a CA")
	}
	name := cert.Subject.CommonName
	if err := inTime(cert, now); err != nil {
		return none, fmt.Errorf("certificate of %q: %w", name, err)
	}
	if cert.NotAfter.Sub(cert.NotBefore) > backdate+NodeLife {
		return none, fmt.Errorf("certificate of %q holds until %s, longer than any that fleet issues", name, cert.NotAfter.UTC().Format(time.RFC3339))
	}
	signed, err := statementIn(cert)
	if err != nil {
		return none, fmt.Errorf("certificate of %q: %w", name, err)
	}
	claim, err := OpenStatement(root, signed)
	if err != nil {
		return none, fmt.Errorf("certificate of %q: %w", name, err)
	}
	if !leafKey.Equal(ed25519.PublicKey(claim.node.Key.b[:])) || name != claim.node.Name {
		return none, fmt.Errorf("certificate of %q: its statement is another host's", name)
	}
	return Certificate{claim: claim, Issuer: issuingID(issuingKey), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}, nil
}

func issuingID(key ed25519.PublicKey) ID {
	k, _ := PublicKeyOf[Issuing](key)
	return k.ID()
}

const statementURI = "statement:"

// statementIn returns a leaf's statement, which must be all that it says beside its subject's name.
func statementIn(leaf *x509.Certificate) ([]byte, error) {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "fleet" {
		return nil, errors.New("it must contain a host's statement and nothing else")
	}
	text, ok := strings.CutPrefix(leaf.URIs[0].Opaque, statementURI)
	if !ok {
		return nil, fmt.Errorf("unexpected name %s", leaf.URIs[0])
	}
	return DecodeText(text)
}

func inTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("not valid before %s, but this host's clock says %s; set this host's clock",
			c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("expired on %s, and this host's clock says %s; if the clock is right, admit the host again with a new token",
			c.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// CheckHostName accepts what can be a host's name: letters, digits, '-', '_' and '.', at most 253 bytes, beginning and
// ending with a letter or digit. Anything else could be mistaken for a pattern, a path or an option somewhere.
func CheckHostName(name string) error {
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
	if name == "" || len(name) > maxHostName || !alnum(name[0]) || !alnum(name[len(name)-1]) {
		return fmt.Errorf("%q is not a host name", name)
	}
	for i := range len(name) {
		if c := name[i]; !alnum(c) && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("%q is not a host name: %q is not allowed", name, c)
		}
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels, at most %d are allowed", len(labels), maxLabels)
	}
	for k, v := range labels {
		if k == "" || v == "" || len(k)+len(v) > maxLabel || !printable(k) || !printable(v) {
			return fmt.Errorf("label %q=%q must be printable, not empty and at most %d bytes", k, v, maxLabel)
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return n
}

// tlsCertificate pairs a chain or a single self-signed certificate with its key for crypto/tls.
func tlsCertificate(signer crypto.Signer, ders ...[]byte) tls.Certificate {
	return tls.Certificate{Certificate: ders, PrivateKey: signer}
}

// selfSigned makes the certificate that an admin or a host to be admitted connects with: it says nothing that is
// believed, TLS proves with it that the key is held.
func selfSigned(signer crypto.Signer, name string, now time.Time, uris ...*url.URL) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, URIs: uris,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(backdate),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tlsCertificate(signer, der), nil
}
