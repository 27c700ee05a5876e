package identity

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
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
	return dialAgent(socket, comment, agentKey)
}

// dialAgent takes a key from the agent. The connection stays, unless there is no such key.
func dialAgent[S any](socket, comment string, take func(agent.Agent, string) (S, error)) (none S, err error) {
	if socket == "" {
		return none, errors.New("ssh-agent is not running: SSH_AUTH_SOCK is not set; to start it: eval $(ssh-agent) && ssh-add")
	}
	conn, err := net.DialTimeout("unix", socket, agentDial)
	if err != nil {
		return none, fmt.Errorf("ssh-agent: %w", err)
	}
	s, err := take(agent.NewClient(conn), comment)
	if err != nil {
		conn.Close()
		return none, fmt.Errorf("ssh-agent: %w", err)
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
	found, err := findKey(a, comment, ssh.KeyAlgoED25519)
	if err != nil {
		return nil, err
	}
	parsed, raw, err := ed25519Of(found)
	if err != nil {
		return nil, err
	}
	pub, err := PublicKeyOf[Admin](raw)
	return &agentSigner{agent: a, key: parsed, pub: pub}, err
}

// findKey finds the one key of that comment that has one of these formats.
func findKey(a agent.Agent, comment string, formats ...string) (*agent.Key, error) {
	list, err := a.List()
	if err != nil {
		return nil, err
	}
	var found []*agent.Key
	var others []string
	for _, k := range list {
		switch {
		case !slices.Contains(formats, k.Format):
		case k.Comment == comment:
			found = append(found, k)
		default:
			others = append(others, fmt.Sprintf("%q", k.Comment))
		}
	}
	kind := strings.Join(formats, " or ")
	switch {
	case len(found) == 0 && len(others) == 0:
		return nil, fmt.Errorf("it holds no %s key; create one with ssh-keygen -t ed25519 and add it with ssh-add", kind)
	case len(found) == 0:
		return nil, fmt.Errorf("it holds no %s key with the comment %q, only %s", kind, comment, strings.Join(others, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("it holds %d %s keys with the comment %q; change one comment with: ssh-keygen -c", len(found), kind, comment)
	}
	return found[0], nil
}

func ed25519Of(k *agent.Key) (parsed ssh.PublicKey, raw ed25519.PublicKey, err error) {
	if parsed, err = ssh.ParsePublicKey(k.Blob); err != nil {
		return nil, nil, fmt.Errorf("its key %q: %w", k.Comment, err)
	}
	if key, ok := parsed.(ssh.CryptoPublicKey); ok {
		if raw, ok := key.CryptoPublicKey().(ed25519.PublicKey); ok {
			return parsed, raw, nil
		}
	}
	return nil, nil, fmt.Errorf("its key %q is not Ed25519", k.Comment)
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

// DialAgentRoot returns a root key that the ssh-agent keeps, which may lie on a security key: then somebody has to touch it each time
// that it signs. It is DialAgent otherwise.
func DialAgentRoot(socket, comment string) (RootSigner, error) {
	return dialAgent(socket, comment, agentRootKey)
}

// agentRoot is a root key with an agent.
type agentRoot struct {
	agent agent.Agent
	ssh   ssh.PublicKey
	key   RootKey
}

func agentRootKey(a agent.Agent, comment string) (RootSigner, error) {
	found, err := findKey(a, comment, ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519)
	if err != nil {
		return nil, err
	}
	parsed, raw, err := ed25519Of(found)
	if err != nil {
		return nil, err
	}
	r := agentRoot{agent: a, ssh: parsed}
	if found.Format == ssh.KeyAlgoSKED25519 {
		var blob struct {
			Format      string
			Key         []byte
			Application string
		}
		if err := ssh.Unmarshal(found.Blob, &blob); err != nil {
			return nil, fmt.Errorf("its key %q: %w", comment, err)
		}
		r.key.Application = blob.Application
	}
	if r.key.Key, err = PublicKeyOf[Root](raw); err != nil {
		return nil, err
	}
	return r, r.key.check()
}

func (r agentRoot) Key() RootKey { return r.key }

// Sign returns a signature that whoever asked for it has to verify.
func (r agentRoot) Sign(message []byte) ([]byte, error) {
	sig, err := r.agent.Sign(r.ssh, message)
	if err != nil {
		return nil, fmt.Errorf("ssh-agent did not sign: %w", err)
	}
	if sig.Format != r.ssh.Type() {
		return nil, fmt.Errorf("ssh-agent signed with %q, not with %s", sig.Format, r.ssh.Type())
	}
	return slices.Concat(sig.Blob, sig.Rest), nil // a security key's flags and counter are the rest
}
