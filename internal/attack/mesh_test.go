package attack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/job"
	"fleet/node/audit"
)

const (
	// patience bounds every wait for an event; reaching it is a failure.
	patience = time.Minute
	// refusedIn is how long an attacker's own connection waits for an answer that must not come.
	refusedIn = 5 * time.Second
)

// shared is the mesh that most attacks are made on: web1 to web3 are peers, web4 is a member.
var shared *mesh

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fleet-attack-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "fleet")
	build := exec.Command("go", "build", "-o", binary, "fleet")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build fleet: %v\n%s", err, out)
		return 1
	}
	shared, err = up(binary, filepath.Join(dir, "shared"), 4)
	if err == nil {
		shared.captured, err = capture(shared, shared.hosts[1].creds, shared.hosts[0].routes, shared.hosts[1].routes, shared.hosts[2].routes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.down(); err != nil {
		fmt.Fprintln(os.Stderr, "after all attacks:", err)
		return 1
	}
	return code
}

// mesh is a fleet of processes, and all of its keys: an attack takes those that it is about.
type mesh struct {
	binary, dir string
	root        identity.Quorum
	admin       identity.PrivateKey[identity.Admin]
	hosts       []*host
	client      *client.Client
	clientLog   *logbook
	captured    *captured.Broker
}

// rooted is whatever is given, signed by the root.
func (m *mesh) rooted(body []byte) ([]byte, error) {
	p := identity.Proposal{Body: body}
	if err := p.Sign(m.root.Authority, m.root.Holders[0]); err != nil {
		return nil, err
	}
	return p.Document(m.root.Authority)
}

// host is one node and what somebody who is root there has.
type host struct {
	m          *mesh
	name, dir  string
	brokerPort string
	log        *logbook
	cmd        *exec.Cmd
	done       chan struct{}

	broker, routes, gossip string // its addresses; empty where it runs no broker
	creds                  identity.Credentials
	id                     identity.ID
}

// up founds a fleet of n hosts, the first three of them peers, and waits until all answer.
func up(binary, dir string, n int) (*mesh, error) {
	m := &mesh{binary: binary, dir: dir, clientLog: newLogbook()}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "fleet.toml"), nil, 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	first := m.host(1, port)
	if err := m.fleet(append([]string{"init", "attacked"}, first.place()...)...); err != nil {
		return nil, err
	}
	key, err := identity.ReadKey[identity.Root](filepath.Join(m.home(), "root.key"))
	if err != nil {
		return nil, err
	}
	m.root.Holders = []identity.RootSigner{identity.FileRoot(key)}
	anchor, err1 := os.ReadFile(filepath.Join(m.home(), "root.pub"))
	records, err2 := os.ReadFile(filepath.Join(m.home(), "root"))
	pinned, err3 := identity.ParseAnchor(string(anchor))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if m.root.Authority, err = identity.OpenRoot(pinned, records); err != nil {
		return nil, err
	}
	if m.admin, err = identity.ReadKey[identity.Admin](filepath.Join(m.home(), "admin.key")); err != nil {
		return nil, err
	}
	if err := first.start(); err != nil {
		return nil, err
	}
	for i := 2; i <= n; i++ {
		role := identity.Peer
		if i > 3 {
			role = identity.Member
		}
		token, err := m.token(identity.Record{Role: role})
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, "token"+strconv.Itoa(i))
		if err := os.WriteFile(file, []byte(token.Text()), 0o600); err != nil {
			return nil, err
		}
		if err := m.host(i, "0").start("--join", "@"+file); err != nil {
			return nil, errors.Join(err, m.down())
		}
	}
	for _, h := range m.hosts[:min(n, 3)] {
		line, err := h.log.find(0, "started a broker")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", h.name, err), m.down())
		}
		h.broker, h.routes = field(line, "clients"), field(line, "routes")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m.client, err = m.connect(ctx, m.admin)
	for err == nil {
		if _, wrong := m.ask(ctx); wrong == nil {
			break
		} else if ctx.Err() != nil {
			err = wrong
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.down())
	}
	return m, nil
}

func (m *mesh) home() string { return filepath.Join(m.dir, "home") }

func (m *mesh) host(i int, port string) *host {
	name := "web" + strconv.Itoa(i)
	h := &host{m: m, name: name, dir: filepath.Join(m.dir, name), brokerPort: port, log: newLogbook()}
	m.hosts = append(m.hosts, h)
	return h
}

// env makes hosts of half a gigabyte: what a broker lets others take depends on its memory.
func (m *mesh) env() []string {
	return []string{"GOMEMLIMIT=512MiB", "HOME=" + m.dir, "PATH=" + os.Getenv("PATH"), "FLEET_HOME=" + m.home(), "FLEET_CONFIG=" + filepath.Join(m.dir, "fleet.toml")}
}

// fleet runs a command of the admin's.
func (m *mesh) fleet(args ...string) error {
	cmd := exec.Command(m.binary, args...)
	cmd.Env = m.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fleet %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// token makes a token that leads to the first host. Expires defaults to an hour from now.
func (m *mesh) token(r identity.Record) (identity.Token, error) {
	if r.Role == "" {
		r.Role = identity.Member
	}
	if r.Expires.IsZero() {
		r.Created, r.Expires = time.Now(), time.Now().Add(time.Hour)
	}
	return identity.NewToken(m.root.Anchor(), m.admin, r, []string{"127.0.0.1:" + m.hosts[0].brokerPort})
}

func (m *mesh) connect(ctx context.Context, key identity.Signer) (*client.Client, error) {
	return client.Connect(ctx, client.Config{Root: m.root.Anchor(), Key: key, Brokers: []string{m.hosts[0].broker}, Log: slog.New(slog.NewTextHandler(m.clientLog, nil)), Declared: declared})
}

// down ends all and says whether the audit of each host still holds.
func (m *mesh) down() error {
	if m.client != nil {
		m.client.Close()
	}
	if m.captured != nil {
		m.captured.Stop()
	}
	var all sync.WaitGroup
	for _, h := range m.hosts {
		all.Go(h.stop)
	}
	all.Wait()
	var errs []error
	for _, h := range m.hosts {
		r, err := audit.Verify(filepath.Join(h.dir, "audit"))
		if err == nil && r.Break != nil {
			err = fmt.Errorf("%s: %s", r.Break.Kind, r.Break.Text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("audit of %s: %w", h.name, err))
		}
	}
	return errors.Join(errs...)
}

func (h *host) place() []string {
	return []string{"--data", h.dir, "--name", h.name, "--listen", "127.0.0.1", "--advertise", "127.0.0.1",
		"--gossip-port", "0", "--route-port", "0", "--broker-port", h.brokerPort}
}

// start runs the node and returns when it listens for jobs.
func (h *host) start(more ...string) error {
	h.cmd = exec.Command(h.m.binary, append(append([]string{"node"}, h.place()...), more...)...)
	h.cmd.Env = h.m.env()
	from := h.log.mark()
	h.cmd.Stderr, h.cmd.Stdout = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		return err
	}
	h.done = make(chan struct{})
	go func() { defer close(h.done); h.cmd.Wait() }()
	if _, err := h.log.find(from, "msg=ready"); err != nil {
		return fmt.Errorf("%s: %w\n%s", h.name, err, h.log.text())
	}
	return h.read()
}

// read takes what somebody who is root on the host would take.
func (h *host) read() error {
	disk, err := captured.Open(h.dir)
	if err != nil {
		return err
	}
	h.creds, h.id = disk.Credentials, disk.ID()
	line, err := h.log.find(0, "member is alive", string(h.id))
	h.gossip = field(line, "addr")
	return err
}

func (h *host) stop() {
	if h.done == nil {
		return
	}
	h.cmd.Process.Signal(syscall.SIGCONT)
	h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.done:
	case <-time.After(patience):
		h.cmd.Process.Kill()
		<-h.done
	}
}

// audit is what the host has written down, whole.
func (h *host) audit(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(h.dir, "audit", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// counters are what each host says it did, by host name.
type counters map[string]map[string]int64

// ask is an honest job that every host has to answer.
func (m *mesh) ask(ctx context.Context) (counters, error) {
	r, err := m.client.Run(ctx, client.Request{Plugin: "rpcutil", Action: "daemon_stats", Timeout: patience}, nil)
	if err != nil {
		return nil, err
	}
	all := counters{}
	for _, o := range r.Outcomes {
		if o.State != job.OK {
			return nil, fmt.Errorf("%s: %s %s", o.Name, o.State, o.Message)
		}
		all[o.Name] = map[string]int64{}
		stats, _ := o.Data["stats"].(map[string]any)
		for name, v := range stats {
			all[o.Name][name], _ = v.(int64)
		}
	}
	if len(all) != len(m.hosts) {
		return nil, fmt.Errorf("%d of %d hosts answer", len(all), len(m.hosts))
	}
	return all, nil
}

// stats is the honest next job, and shows what the hosts counted. Gossip may take a host that was just restarted, or a
// slow one, for dead for a moment, and runs do not wait for the dead: so it is asked until all have answered.
func (m *mesh) stats(t *testing.T) (all counters) {
	t.Helper()
	var err error
	defer func() {
		if err != nil {
			t.Logf("the last time: %v", err)
		}
	}()
	until(t, "all answer the honest next job", func() bool {
		all, err = m.ask(t.Context())
		return err == nil
	})
	return all
}

// counted waits until each of the hosts has counted at least so many more than before.
func (m *mesh) counted(t *testing.T, before counters, what string, more int64, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		until(t, fmt.Sprintf("%d more %s on %s", more, what, h.name), func() bool {
			return m.stats(t)[h.name][what] >= before[h.name][what]+more
		})
	}
}

// until waits for something that no event tells of.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("this did not happen: %s", what)
		case <-tick.C:
		}
	}
}

// logbook keeps what a process writes, by lines, and can be waited for.
type logbook struct {
	mu    sync.Mutex
	lines []string
	part  []byte
	grown chan struct{} // closed when there are more lines
}

func newLogbook() *logbook { return &logbook{grown: make(chan struct{})} }

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, p...)
	for {
		line, rest, whole := bytes.Cut(l.part, []byte("\n"))
		if !whole {
			break
		}
		l.lines, l.part = append(l.lines, string(line)), bytes.Clone(rest)
		close(l.grown)
		l.grown = make(chan struct{})
	}
	return len(p), nil
}

// mark is where find may begin so that it finds only what comes from now on.
func (l *logbook) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func (l *logbook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// find waits for a line with all the parts.
func (l *logbook) find(from int, parts ...string) (string, error) {
	late := time.After(patience)
	for {
		l.mu.Lock()
		lines, grown := l.lines[from:], l.grown
		l.mu.Unlock()
		for _, line := range lines {
			if hasAll(line, parts) {
				return line, nil
			}
			from++
		}
		select {
		case <-grown:
		case <-late:
			return "", fmt.Errorf("no line with %q was logged", parts)
		}
	}
}

// reach waits until so many lines have all the parts.
func (l *logbook) reach(n int, parts ...string) error {
	late := time.After(patience)
	for {
		l.mu.Lock()
		grown := l.grown
		l.mu.Unlock()
		if l.count(parts...) >= n {
			return nil
		}
		select {
		case <-grown:
		case <-late:
			return fmt.Errorf("not %d lines with %q were logged", n, parts)
		}
	}
}

func (l *logbook) count(parts ...string) (n int) {
	for line := range strings.Lines(l.text()) {
		if hasAll(line, parts) {
			n++
		}
	}
	return n
}

func hasAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// field is the value of key=VALUE in a line.
func field(line, key string) string {
	words := bufio.NewScanner(strings.NewReader(line))
	words.Split(bufio.ScanWords)
	for words.Scan() {
		if v, ok := strings.CutPrefix(words.Text(), key+"="); ok {
			return v
		}
	}
	return ""
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

func countIn(text, part string) int { return strings.Count(text, part) }
