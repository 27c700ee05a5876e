package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// serveAgent is a real agent on a Unix socket.
func serveAgent(t *testing.T, keys ...agent.AddedKey) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(k); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, ring)
}

func serve(t *testing.T, ring agent.Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); agent.ServeAgent(ring, c) }()
		}
	}()
	return socket
}

func TestAgent(t *testing.T) {
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	_, twin, _ := ed25519.GenerateKey(rand.Reader)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, agent.AddedKey{PrivateKey: key, Comment: "ann@laptop"}, agent.AddedKey{PrivateKey: other, Comment: "old"},
		agent.AddedKey{PrivateKey: twin, Comment: "twin"}, agent.AddedKey{PrivateKey: ed25519.NewKeyFromSeed(make([]byte, 32)), Comment: "twin"})
	s, err := DialAgent(socket, "ann@laptop")
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := PublicKeyOf[Admin](pub); !s.Public().Equal(want) {
		t.Errorf("got %s, want %s", s.Public(), want)
	}
	signed, err := SignAdmin(s, JobContext, []byte("a job"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Public().Open(JobContext, signed); err != nil || string(m) != "a job" {
		t.Errorf("got %q, %v", m, err)
	}
	if _, err := AdminTLS(testRoot().Anchor(), s, noRoster); err != nil {
		t.Errorf("TLS: %v", err)
	}
	for comment, want := range map[string]string{
		"old": `it holds no ssh-ed25519 key with the comment "old", only "ann@laptop", "twin", "twin"`, "twin": "it holds 2 ssh-ed25519 keys",
	} {
		if _, err := DialAgent(socket, comment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", comment, err, want)
		}
	}
	if _, err := DialAgent("", "x"); err == nil || !strings.Contains(err.Error(), "SSH_AUTH_SOCK") {
		t.Errorf("no agent: %v", err)
	}
	if _, err := DialAgent(serveAgent(t), "x"); err == nil || !strings.Contains(err.Error(), "it holds no ssh-ed25519 key;") {
		t.Errorf("empty agent: %v", err)
	}
}

// withSecurityKey is an agent that has a security key besides.
type withSecurityKey struct {
	agent.Agent
	key *securityKey
}

func (a withSecurityKey) blob() []byte {
	k := a.key.Key()
	return ssh.Marshal(struct {
		Format      string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, k.Key.Bytes(), k.Application})
}

func (a withSecurityKey) List() ([]*agent.Key, error) {
	list, err := a.Agent.List()
	return append(list, &agent.Key{Format: ssh.KeyAlgoSKED25519, Blob: a.blob(), Comment: "touch"}), err
}

func (a withSecurityKey) Sign(key ssh.PublicKey, message []byte) (*ssh.Signature, error) {
	if !bytes.Equal(key.Marshal(), a.blob()) {
		return a.Agent.Sign(key, message)
	}
	sig, err := a.key.Sign(message)
	if err != nil {
		return nil, err
	}
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: sig[:ed25519.SignatureSize], Rest: sig[ed25519.SignatureSize:]}, nil
}

// A root of a plain key and a security key, both with ssh-agent, signs a document; a security key that nobody touches does not.
func TestRootKeysWithAnAgent(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: "root"}); err != nil {
		t.Fatal(err)
	}
	touched := &securityKey{NewKey[Root](), "ssh:fleet", userPresent, 6}
	socket := serve(t, withSecurityKey{ring, touched})
	plain, err1 := DialAgentRoot(socket, "root")
	sk, err2 := DialAgentRoot(socket, "touch")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !sk.Key().Equal(touched.Key()) || plain.Key().Application != "" {
		t.Fatalf("%v, %v", sk.Key(), plain.Key())
	}
	root, err := NewRoot(2, []RootKey{plain.Key(), sk.Key()}, now)
	if err != nil {
		t.Fatal(err)
	}
	q := Quorum{Authority: root, Holders: []RootSigner{plain, sk}}
	raw, err := q.Sign([]byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := root.open(raw); err != nil || string(body) != "body" {
		t.Errorf("%q, %v", body, err)
	}
	touched.flags = 0
	if _, err := q.Sign([]byte("body")); err == nil || !strings.Contains(err.Error(), "is not valid") {
		t.Errorf("nobody touched it: %v", err)
	}
	if _, err := DialAgent(socket, "touch"); err == nil || !strings.Contains(err.Error(), `no ssh-ed25519 key with the comment "touch"`) {
		t.Errorf("as an admin's key: %v", err)
	}
	if _, err := DialAgentRoot(socket, "x"); err == nil || !strings.Contains(err.Error(), "it holds no ssh-ed25519 or sk-ssh-ed25519@openssh.com key with the comment") {
		t.Errorf("%v", err)
	}
	touched.application = "web"
	if _, err := DialAgentRoot(socket, "touch"); err == nil || !strings.Contains(err.Error(), "application") {
		t.Errorf("a key for the web: %v", err)
	}
}
