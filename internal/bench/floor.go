package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// floorWord starts this program as a process of the floor.
const floorWord = "floor"

const (
	questionSize = 300 // bytes, about what a signed job has
	answerSize   = 300 // and a signed reply
	floorReady   = "ready"
)

// floor is one nats-server and some processes that answer, each with a connection of its own.
type floor struct {
	self, cert, url string
	processes       []*process
	answering       int
}

func startFloor(ctx context.Context, dir string) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	f := &floor{self: self, cert: filepath.Join(dir, "pair.pem"), url: "tls://127.0.0.1:" + port}
	if err := errors.Join(os.Mkdir(dir, 0o700), writePair(f.cert)); err != nil {
		return nil, err
	}
	return f, f.start(ctx, "broker", port)
}

// start starts a process of the floor and waits until it is ready.
func (f *floor) start(ctx context.Context, args ...string) error {
	p, err := startProcess(ctx, exec.Command(f.self, append([]string{floorWord, f.cert, f.url}, args...)...),
		func(line string) bool { return line == floorReady })
	if err != nil {
		return fmt.Errorf("floor %s: %w", args[0], err)
	}
	f.processes = append(f.processes, p)
	return nil
}

// grow starts processes that answer until there are n.
func (f *floor) grow(ctx context.Context, n int) error {
	for ; f.answering < n; f.answering++ {
		if err := f.start(ctx, "answer"); err != nil {
			return err
		}
	}
	return nil
}

// client returns a maker of the process that asks all of them.
func (f *floor) client(ctx context.Context, signed bool) func() *exec.Cmd {
	subject, n := "bare", strconv.Itoa(f.answering)
	if signed {
		subject = "signed"
	}
	return func() *exec.Cmd { return exec.CommandContext(ctx, f.self, floorWord, f.cert, f.url, "ask", subject, n) }
}

func (f *floor) stop() { stopAll(f.processes); f.processes, f.answering = nil, 0 }

// floorProcess is the floor's own main: CERT URL broker PORT | answer | ask SUBJECT N.
func floorProcess(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("the floor's processes are started by bench itself")
	}
	pair, pool, err := readPair(args[0])
	if err != nil {
		return err
	}
	key := pair.PrivateKey.(ed25519.PrivateKey)
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "127.0.0.1"}
	if args[2] == "broker" {
		return floorBroker(ctx, args[3], config)
	}
	conn, err := nats.Connect(args[1], nats.Secure(config), nats.TLSHandshakeFirst())
	if err != nil {
		return err
	}
	defer conn.Close()
	if args[2] == "answer" {
		return floorAnswer(ctx, conn, key)
	}
	n, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	return floorAsk(ctx, conn, key, args[3], n)
}

func floorBroker(ctx context.Context, port string, config *tls.Config) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: n, NoSigs: true, NoLog: true, TLS: true, TLSVerify: true,
		TLSHandshakeFirst: true, TLSTimeout: 10, TLSConfig: config, NoSystemAccount: true})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("port %s is not free any more; run it again", port)
	}
	fmt.Fprintln(os.Stderr, floorReady)
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func floorAnswer(ctx context.Context, conn *nats.Conn, key ed25519.PrivateKey) error {
	answer := make([]byte, answerSize)
	_, bare := conn.Subscribe("bare", func(m *nats.Msg) { m.Respond(answer) })
	_, signed := conn.Subscribe("signed", func(m *nats.Msg) {
		if verified(key, m.Data) {
			m.Respond(sign(key, answer))
		}
	})
	if err := errors.Join(bare, signed, conn.Flush()); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, floorReady)
	<-ctx.Done()
	return nil
}

func floorAsk(ctx context.Context, conn *nats.Conn, key ed25519.PrivateKey, subject string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	inbox := nats.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	question := make([]byte, questionSize)
	if subject == "signed" {
		question = sign(key, question)
	}
	if err := conn.PublishRequest(subject, inbox, question); err != nil {
		return err
	}
	for range n {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return err
		}
		if subject == "signed" && !verified(key, m.Data) {
			return errors.New("an answer is not signed")
		}
	}
	return nil
}

func sign(key ed25519.PrivateKey, data []byte) []byte {
	return append(ed25519.Sign(key, data), data...)
}

func verified(key ed25519.PrivateKey, data []byte) bool {
	return len(data) >= ed25519.SignatureSize &&
		ed25519.Verify(key.Public().(ed25519.PublicKey), data[ed25519.SignatureSize:], data[:ed25519.SignatureSize])
}

// writePair makes a certificate for 127.0.0.1 that signs itself, for both sides, and keeps it with its key in one file.
func writePair(path string) error {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	cert := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, &cert, &cert, public, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return os.WriteFile(path, text, 0o600)
}

func readPair(path string) (tls.Certificate, *x509.CertPool, error) {
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		return pair, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	return pair, pool, nil
}
