package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"net"
	"path/filepath"
	"strings"
	"testing"

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
