package identity

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Role is what a host may be in the mesh. It comes from the token and stands in the certificate.
type Role string

const (
	Peer      Role = "peer"      // may run a broker, holds the issuing key, may admit others
	Member    Role = "member"    // never runs a broker
	Ephemeral Role = "ephemeral" // a member that is forgotten soon after it has gone
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r == Peer || r == Member || r == Ephemeral }

// NodeIdentity is what a node certificate says, once its chain to the pinned root was verified.
type NodeIdentity struct {
	Fleet    FleetID
	ID       ID     // of Key
	Name     string // the host's name, unique among the living
	Role     Role
	Labels   map[string]string // attested by the token's signer
	Key      PublicKey[Node]
	Seal     []byte // public sealing key: what is sealed to it only this node can open
	Issuer   ID     // of the issuing key that signed the certificate
	NotAfter time.Time
}

// Chain is a leaf and the issuing CA's certificate, DER, in this order.
type Chain struct {
	_       struct{} `cbor:",toarray"`
	Leaf    []byte
	Issuing []byte
}

// Issuer holds the issuing CA: its key and the certificate that the root gave it. Peers have one, members never.
type Issuer struct {
	Key         PrivateKey[Issuing]
	Certificate []byte // DER
}

// NewIssuer makes an issuing CA and certifies it with the root key.
func NewIssuer(root PrivateKey[Root], now time.Time) (Issuer, error) {
	key := NewKey[Issuing]()
	fleet := root.Public().ID()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "fleet issuing CA"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(issuingLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
		URIs:     []*url.URL{{Scheme: "fleet", Host: string(fleet), Path: "/issuing"}},
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: "fleet root " + string(fleet)}}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.signer().Public(), root.signer())
	if err != nil {
		return Issuer{}, fmt.Errorf("certify the issuing CA: %w", err)
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

// Issue makes the certificate of the node with n's Key, Seal, Name, Role and Labels. It holds for NodeLife; the caller has
// decided that this host may have it.
func (i Issuer) Issue(n NodeIdentity, now time.Time) (Chain, error) {
	return i.issueFor(n, now, NodeLife)
}

func (i Issuer) issueFor(n NodeIdentity, now time.Time, life time.Duration) (Chain, error) {
	if err := n.check(); err != nil {
		return Chain{}, err
	}
	parent, err := x509.ParseCertificate(i.Certificate)
	if err != nil {
		return Chain{}, fmt.Errorf("issuing certificate: %w", err)
	}
	uris := []*url.URL{
		{Scheme: "fleet", Host: parent.URIs[0].Host, Path: "/" + string(n.Role) + "/" + string(n.Key.ID())},
		{Scheme: "fleet", Opaque: "seal:" + base64.RawURLEncoding.EncodeToString(n.Seal)},
	}
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		uris = append(uris, &url.URL{Scheme: "fleet", Opaque: "label:" + url.QueryEscape(k) + "=" + url.QueryEscape(n.Labels[k])})
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: n.Name}, URIs: uris,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, ed25519.PublicKey(n.Key.b[:]), i.Key.signer())
	if err != nil {
		return Chain{}, fmt.Errorf("issue a certificate for %s: %w", n.Name, err)
	}
	return Chain{Leaf: der, Issuing: i.Certificate}, nil
}

// VerifyChain checks a node's chain against the pinned root at time now and returns what the leaf says. It does not
// use x509.Verify: a chain here is exactly root key -> issuing CA -> leaf, and each step can be read below.
func VerifyChain(root PublicKey[Root], c Chain, now time.Time) (NodeIdentity, error) {
	var none NodeIdentity
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
	case !ed25519.Verify(root.b[:], issuing.RawTBSCertificate, issuing.Signature):
		return none, errors.New("issuing certificate is not signed by this fleet's root key")
	case !issuing.IsCA || issuing.KeyUsage&x509.KeyUsageCertSign == 0:
		return none, errors.New("issuing certificate is not allowed to issue")
	}
	if err := inTime(issuing, now); err != nil {
		return none, fmt.Errorf("issuing certificate: %w", err)
	}
	l, err := verifyLeaf(fleet, issuing, c.Leaf, now)
	return l.NodeIdentity, err
}

func verifyLeaf(fleet FleetID, issuing *x509.Certificate, der []byte, now time.Time) (leaf, error) {
	var none leaf
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
	if err := inTime(cert, now); err != nil {
		return none, fmt.Errorf("certificate of %q: %w", cert.Subject.CommonName, err)
	}
	if cert.NotAfter.Sub(cert.NotBefore) > backdate+NodeLife {
		return none, fmt.Errorf("certificate of %q holds until %s, longer than any that fleet issues", cert.Subject.CommonName, cert.NotAfter.UTC().Format(time.RFC3339))
	}
	key, err := PublicKeyOf[Node](leafKey)
	if err != nil {
		return none, err
	}
	id, err := readLeaf(fleet, cert, key)
	id.Issuer = issuingID(issuingKey)
	return leaf{NodeIdentity: id, notBefore: cert.NotBefore, under: issuing}, err
}

func issuingID(key ed25519.PublicKey) ID {
	k, _ := PublicKeyOf[Issuing](key)
	return k.ID()
}

// readLeaf takes the identity out of a leaf whose signature and time hold.
func readLeaf(fleet FleetID, leaf *x509.Certificate, key PublicKey[Node]) (NodeIdentity, error) {
	id := NodeIdentity{
		Fleet: fleet, ID: key.ID(), Name: leaf.Subject.CommonName,
		Labels: map[string]string{}, Key: key, NotAfter: leaf.NotAfter,
	}
	for _, u := range leaf.URIs {
		if label, ok := strings.CutPrefix(u.Opaque, "label:"); ok && u.Scheme == "fleet" {
			k, v, _ := strings.Cut(label, "=")
			k, err1 := url.QueryUnescape(k)
			v, err2 := url.QueryUnescape(v)
			if err := errors.Join(err1, err2); err != nil {
				return NodeIdentity{}, fmt.Errorf("certificate of %q: label: %w", id.Name, err)
			}
			id.Labels[k] = v
			continue
		}
		if text, ok := strings.CutPrefix(u.Opaque, "seal:"); ok && u.Scheme == "fleet" && id.Seal == nil {
			seal, err := DecodeText(text)
			if err != nil {
				return NodeIdentity{}, fmt.Errorf("certificate of %q: sealing key: %w", id.Name, err)
			}
			id.Seal = seal
			continue
		}
		role, node, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if u.Scheme != "fleet" || u.Host != string(fleet) || id.Role != "" || node != string(id.ID) {
			return NodeIdentity{}, fmt.Errorf("certificate of %q: unexpected name %s", id.Name, u)
		}
		id.Role = Role(role)
	}
	if err := id.check(); err != nil {
		return NodeIdentity{}, fmt.Errorf("certificate of %q: %w", id.Name, err)
	}
	return id, nil
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

// Matches is an error if n is not the identity that a host knows to be its own. A peer issues certificates, at admission
// and renewal, but does not decide who a host is: only the time and the issuing key are its to choose.
func (n NodeIdentity) Matches(own NodeIdentity) error {
	switch {
	case n.Fleet != own.Fleet:
		return fmt.Errorf("another fleet, %s instead of %s", n.Fleet, own.Fleet)
	case n.ID != own.ID:
		return fmt.Errorf("another node, %s instead of %s", n.ID, own.ID)
	case n.Name != own.Name:
		return fmt.Errorf("another name, %q instead of %q", n.Name, own.Name)
	case n.Role != own.Role:
		return fmt.Errorf("another role, %s instead of %s", n.Role, own.Role)
	case !maps.Equal(n.Labels, own.Labels):
		return fmt.Errorf("other labels, %v instead of %v", n.Labels, own.Labels)
	case !bytes.Equal(n.Seal, own.Seal):
		return errors.New("another sealing key")
	}
	return nil
}

func (n NodeIdentity) check() error {
	if err := CheckHostName(n.Name); err != nil {
		return err
	}
	if !n.Role.Valid() {
		return fmt.Errorf("role %q is not peer, member or ephemeral", n.Role)
	}
	if len(n.Seal) != SealSize {
		return fmt.Errorf("a sealing key has %d bytes, not %d", SealSize, len(n.Seal))
	}
	return checkLabels(n.Labels)
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
