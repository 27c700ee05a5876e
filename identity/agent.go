package identity

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentDial is how long an agent may take to be reached. Signing has no limit: it may be asking its owner.
const agentDial = 5 * time.Second

// DialAgent returns the ssh-ed25519 key of that comment, kept by the ssh-agent that listens on the Unix socket. The
// agent signs; the key stays with it. What fleet has signed begins with a fleet context or is a TLS 1.3 handshake, and so
// cannot be taken for anything that ssh signs, nor the other way round. The connection lives as long as the process.
func DialAgent(socket, comment string) (Signer, error) {
	if socket == "" {
		return nil, errors.New("ssh-agent is not running: SSH_AUTH_SOCK is not set; to start it: eval $(ssh-agent) && ssh-add")
	}
	conn, err := net.DialTimeout("unix", socket, agentDial)
	if err != nil {
		return nil, fmt.Errorf("ssh-agent: %w", err)
	}
	s, err := agentKey(agent.NewClient(conn), comment)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ssh-agent: %w", err)
	}
	return s, nil
}

// agentSigner is a key with an agent. agent.NewClient is safe for use by several goroutines.
type agentSigner struct {
	agent agent.Agent
	key   ssh.PublicKey
	pub   PublicKey[Admin]
}

func agentKey(a agent.Agent, comment string) (Signer, error) {
	list, err := a.List()
	if err != nil {
		return nil, err
	}
	var found []*agent.Key
	var others []string
	for _, k := range list {
		switch {
		case k.Format != ssh.KeyAlgoED25519:
		case k.Comment == comment:
			found = append(found, k)
		default:
			others = append(others, fmt.Sprintf("%q", k.Comment))
		}
	}
	switch {
	case len(found) == 0 && len(others) == 0:
		return nil, errors.New("it holds no ssh-ed25519 key; create one with ssh-keygen -t ed25519 and add it with ssh-add")
	case len(found) == 0:
		return nil, fmt.Errorf("it holds no ssh-ed25519 key with the comment %q, only %s", comment, strings.Join(others, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("it holds %d ssh-ed25519 keys with the comment %q; change one comment with: ssh-keygen -c", len(found), comment)
	}
	parsed, err := ssh.ParsePublicKey(found[0].Blob)
	if err != nil {
		return nil, fmt.Errorf("its key %q: %w", comment, err)
	}
	key, ok := parsed.(ssh.CryptoPublicKey)
	if !ok {
		return nil, fmt.Errorf("its key %q is not Ed25519", comment)
	}
	raw, ok := key.CryptoPublicKey().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("its key %q is not Ed25519", comment)
	}
	pub, err := PublicKeyOf[Admin](raw)
	return &agentSigner{agent: a, key: parsed, pub: pub}, err
}

func (s *agentSigner) Public() PublicKey[Admin] { return s.pub }

func (s *agentSigner) Handshake() crypto.Signer { return agentHandshake{s} }

type agentHandshake struct{ s *agentSigner }

func (h agentHandshake) Public() crypto.PublicKey { return ed25519.PublicKey(h.s.pub.Bytes()) }

// Sign asks the agent. Ed25519 signs messages, not digests, so no other option is possible.
func (h agentHandshake) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil && opts.HashFunc() != crypto.Hash(0) {
		return nil, errors.New("ssh-agent signs whole messages only")
	}
	sig, err := h.s.agent.Sign(h.s.key, message)
	if err != nil {
		return nil, fmt.Errorf("ssh-agent did not sign: %w", err)
	}
	if sig.Format != ssh.KeyAlgoED25519 || len(sig.Blob) != ed25519.SignatureSize {
		return nil, fmt.Errorf("ssh-agent signed with %q, not with Ed25519", sig.Format)
	}
	return sig.Blob, nil
}
