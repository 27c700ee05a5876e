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
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// floorWord starts this program as a process of the floor.
const floorWord = "floor"

const (
	floorReady   = "ready"
	stormTimeout = time.Minute // with less, thousands of connections at once fail and come again
)

// floor is one nats-server and some processes that answer, each with a connection of its own.
type floor struct {
	self, dir, cert, url string
	processes            []*process
	answering            int
}

// startFloor starts the nats-server, in plain TCP or with mutual TLS.
func startFloor(ctx context.Context, dir string, plain bool) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	port, err := freePort(floorPorts)
	if err != nil {
		return nil, err
	}
	f := &floor{self: self, dir: dir, cert: filepath.Join(dir, "pair.pem"), url: fmt.Sprintf("tls://127.0.0.1:%d", port)}
	if plain {
		f.url = fmt.Sprintf("nats://127.0.0.1:%d", port)
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), writePair(f.cert)); err != nil {
		return nil, err
	}
	return f, f.start(ctx, "broker", strconv.Itoa(port))
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
func (f *floor) client(ctx context.Context, kind kind) func() *exec.Cmd {
	n := strconv.Itoa(f.answering)
	return func() *exec.Cmd {
		return exec.CommandContext(ctx, f.self, floorWord, f.cert, f.url, "ask", string(kind), n)
	}
}

func (f *floor) stop() { stopAll(f.processes); f.processes, f.answering = nil, 0 }

// floorProcess is the floor's own main: CERT URL broker PORT | answer | ask KIND N | crowd KIND N ROUNDS BROKER-PID.
func floorProcess(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("the floor's processes are started by bench itself")
	}
	pair, pool, err := readPair(args[0])
	if err != nil {
		return err
	}
	key, url := pair.PrivateKey.(ed25519.PrivateKey), args[1]
	var config *tls.Config
	if strings.HasPrefix(url, "tls:") {
		config = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "127.0.0.1"}
	}
	switch what, rest := args[2], args[3:]; what {
	case "broker":
		return floorBroker(ctx, rest[0], config)
	case "answer":
		return floorAnswer(ctx, url, config, key)
	case "ask":
		n, err := strconv.Atoi(rest[1])
		if err != nil {
			return err
		}
		conn, err := nats.Connect(url, floorOptions(config)...)
		if err != nil {
			return err
		}
		defer conn.Close()
		return floorAsk(ctx, conn, key, kind(rest[0]), n)
	default:
		n, err := strconv.Atoi(rest[1])
		rounds, err2 := strconv.Atoi(rest[2])
		broker, err3 := strconv.Atoi(rest[3])
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		return crowd{url, config, key, kind(rest[0]), n, broker}.run(ctx, rounds)
	}
}

// floorOptions are a connection's. In a storm they are as patient as fleet's.
func floorOptions(config *tls.Config) []nats.Option {
	o := []nats.Option{nats.Timeout(stormTimeout)}
	if config != nil {
		o = append(o, nats.Secure(config), nats.TLSHandshakeFirst())
	}
	return o
}

func floorBroker(ctx context.Context, port string, config *tls.Config) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	o := &server.Options{Host: "127.0.0.1", Port: n, NoSigs: true, NoLog: true, NoSystemAccount: true, DisableShortFirstPing: true,
		MaxPending: 256 << 20, AuthTimeout: stormTimeout.Seconds()} // as fleet's
	if config != nil {
		o.TLS, o.TLSVerify, o.TLSHandshakeFirst, o.TLSTimeout, o.TLSConfig = true, true, true, stormTimeout.Seconds(), config
	}
	s, err := server.NewServer(o)
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

func floorAnswer(ctx context.Context, url string, config *tls.Config, key ed25519.PrivateKey) error {
	conn, err := nats.Connect(url, floorOptions(config)...)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := errors.Join(listen(conn, key, bare), listen(conn, key, signed)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, floorReady)
	<-ctx.Done()
	return nil
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
