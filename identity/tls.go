package identity

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Principal is who stands at the other end of a TLS connection: exactly one of the three is set.
type Principal struct {
	Node  *NodeIdentity
	Admin *AdminEntry
	Token *Record   // a host that asks to be admitted, with a token that lets it in
	Until time.Time // the connection should not live longer
}

// joinTime is how long a host to be admitted may stay connected: one request and its answer.
const joinTime = time.Minute

// Authenticate says who presented these certificates in a finished TLS handshake (which proved the leaf's key).
func Authenticate(root Anchor, roster Roster, certs []*x509.Certificate, now time.Time) (Principal, error) {
	if len(certs) == 0 {
		return Principal{}, errors.New("no certificate was presented")
	}
	if len(certs) == 2 {
		c, err := OpenChain(root, Chain{Leaf: certs[0].Raw, Issuing: certs[1].Raw}, now)
		if err != nil {
			return Principal{}, err
		}
		id, err := roster.Admit(c)
		if err != nil {
			return Principal{}, err
		}
		return Principal{Node: &id.NodeIdentity, Until: id.NotAfter}, nil
	}
	leaf := certs[0]
	raw, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok {
		return Principal{}, errors.New("certificate key is not Ed25519")
	}
	if signed, ok := tokenURI(leaf); ok {
		record, err := OpenRecord(root, roster, signed)
		if err == nil {
			err = record.Usable(roster, now)
		}
		if err != nil {
			return Principal{}, err
		}
		if !ed25519.PublicKey(record.Key.b[:]).Equal(raw) {
			return Principal{}, errors.New("certificate key is not the token's")
		}
		return Principal{Token: &record, Until: now.Add(joinTime)}, nil
	}
	key, err := PublicKeyOf[Admin](raw)
	if err != nil {
		return Principal{}, err
	}
	admin, ok := roster.Admin(key.ID())
	if !ok {
		return Principal{}, fmt.Errorf("key %s is not in the roster", key.ID())
	}
	return Principal{Admin: &admin, Until: leaf.NotAfter}, nil
}

// Credentials are what a node shows of itself: its key, its chain for TLS, and its statement for everything else.
type Credentials struct {
	Key       PrivateKey[Node]
	Chain     Chain
	Statement []byte // the one in the chain
	Labels    []byte // signed by an admin; nil: they are the token's
}

// NewCredentials reads the statement out of a chain. It verifies nothing.
func NewCredentials(key PrivateKey[Node], chain Chain) (Credentials, error) {
	signed, err := StatementOf(chain)
	return Credentials{Key: key, Chain: chain, Statement: signed}, err
}

func (c Credentials) certificate() *tls.Certificate {
	cert := tlsCertificate(c.Key.signer(), c.Chain.Leaf, c.Chain.Issuing)
	return &cert
}

// ServerTLS is a broker's side of every connection: TLS 1.3, a client certificate always, and check decides.
// current is asked at each handshake, so that a renewed certificate is used at once; roster likewise.
func ServerTLS(root Anchor, current func() Credentials, roster func() Roster) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true, // a resumed session would skip proving the key again
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current().certificate(), nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := Authenticate(root, roster(), s.PeerCertificates, time.Now())
			return err
		},
	}
}

// RouteTLS is both sides of a connection between brokers: each must show a peer's certificate. nats-server asks its own
// hook for incoming routes only, so the role is checked here, on both ends.
func RouteTLS(root Anchor, current func() Credentials, roster func() Roster) *tls.Config {
	c := ServerTLS(root, current, roster)
	c.VerifyConnection = verifyPeer(root, roster)
	c.InsecureSkipVerify = true // replaced by VerifyConnection: names in fleet certificates are no DNS names
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return current().certificate(), nil
	}
	return c
}

// NodeTLS is a node's side of its connection to a broker.
func NodeTLS(root Anchor, current func() Credentials, roster func() Roster) *tls.Config {
	return clientTLS(verifyPeer(root, roster), func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return current().certificate(), nil
	})
}

// AdminTLS is an admin's side of the connection to a broker. roster is what the admin's machine knows; see Roster.Admit for
// one that knows none yet.
func AdminTLS(root Anchor, key Signer, roster func() Roster) (*tls.Config, error) {
	cert, err := selfSigned(key.Handshake(), "admin", time.Now())
	if err != nil {
		return nil, err
	}
	return clientTLS(verifyPeer(root, roster), func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }), nil
}

// JoinTLS is the side of a host that asks to be admitted. It shows the token's public record. The broker must show a certificate that
// says it is of this fleet; whether it is, a roster says, see Shown: before that, nothing else may be sent.
func JoinTLS(t Token) (*tls.Config, error) {
	record := &url.URL{Scheme: "fleet", Opaque: "token:" + base64.RawURLEncoding.EncodeToString(t.Signed)}
	cert, err := selfSigned(t.Secret.signer(), "joining", time.Now(), record)
	if err != nil {
		return nil, err
	}
	return clientTLS(verifyPeer(t.Root, noRoster), func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }), nil
}

// Shown makes a configuration keep the chain that the other end showed last, for whoever learns later by which roster to judge
// it. The function that it returns may be called at any time.
func Shown(conf *tls.Config) func() Chain {
	var chain atomic.Pointer[Chain]
	chain.Store(&Chain{})
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if err := verify(s); err != nil {
			return err
		}
		chain.Store(&Chain{Leaf: s.PeerCertificates[0].Raw, Issuing: s.PeerCertificates[1].Raw})
		return nil
	}
	return func() Chain { return *chain.Load() }
}

// ErrShutOut is wrapped when a broker's certificate is this fleet's, and the roster does not admit its holder as a peer.
var ErrShutOut = errors.New("the roster does not admit this broker")

// AdmitsPeer is an error unless the roster admits the holder of a chain, by this machine's clock, as a peer.
func (r Roster) AdmitsPeer(root Anchor, c Chain) error {
	certificate, err := OpenChain(root, c, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherFleet, err)
	}
	return r.admitsPeer(certificate)
}

func (r Roster) admitsPeer(c Certificate) error {
	who, err := r.Admit(c)
	if err == nil && who.Role != Peer {
		err = fmt.Errorf("%s is a %s, and only peers run brokers", who.Name, who.Role)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShutOut, err)
	}
	return nil
}

func noRoster() Roster { return Roster{} }

func clientTLS(verify func(tls.ConnectionState) error, cert func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		InsecureSkipVerify:   true, // replaced by VerifyConnection: the pinned root decides, not DNS names and web CAs
		VerifyConnection:     verify,
		GetClientCertificate: cert,
	}
}

// ErrOtherFleet is wrapped when a broker shows a certificate that is not of the fleet that is pinned here.
var ErrOtherFleet = errors.New("this is not a broker of the fleet that is pinned here")

func verifyPeer(root Anchor, roster func() Roster) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) != 2 {
			return fmt.Errorf("%w: it presents %d certificates instead of two", ErrOtherFleet, len(s.PeerCertificates))
		}
		certificate, err := OpenChain(root, Chain{Leaf: s.PeerCertificates[0].Raw, Issuing: s.PeerCertificates[1].Raw}, time.Now())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrOtherFleet, err)
		}
		return roster().admitsPeer(certificate)
	}
}

func tokenURI(leaf *x509.Certificate) ([]byte, bool) {
	for _, u := range leaf.URIs {
		if text, ok := strings.CutPrefix(u.Opaque, "token:"); ok && u.Scheme == "fleet" {
			raw, err := DecodeText(text)
			return raw, err == nil
		}
	}
	return nil, false
}
