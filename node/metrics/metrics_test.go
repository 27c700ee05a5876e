package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for where, want := range map[string]string{
		"127.0.0.1:7423": "", "[::1]:7423": "", "127.8.0.1:0": "", "[::ffff:127.0.0.1]:1": "", "unix:/run/fleet/metrics.sock": "",
		"0.0.0.0:7423": "is not a loopback address", "[::]:7423": "is not a loopback address", "10.0.0.5:7423": "anyone who can reach it",
		"localhost:7423": "is neither", ":7423": "is neither", "7423": "is neither", "127.0.0.1": "is neither", "127.0.0.1:x": "is neither",
		"unix:metrics.sock": "absolute path", "unix:": "absolute path", "": "is neither",
	} {
		err := Check(where)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", where, err, want)
		}
		if l, err := Listen(where); want != "" && err == nil {
			l.Close()
			t.Errorf("%q: listens", where)
		}
	}
}

func TestPage(t *testing.T) {
	var p Page
	p.Counter("a_total", "what a\nis", 3, Label{"x", "1"}, Label{"y", `q"\` + "\n\xff"})
	p.Gauge("b", "b is", 1.5)
	p.Counter("a_total", "ignored", 1<<60, Label{"x", "2"})
	p.Gauge("b", "", math.Inf(1), Label{"z", ""})
	const want = `# HELP a_total what a\nis
# TYPE a_total counter
a_total{x="1",y="q\"\\\n` + "\uFFFD" + `"} 3
a_total{x="2"} 1152921504606846976
# HELP b b is
# TYPE b gauge
b 1.5
b{z=""} +Inf
`
	if got := p.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// serve runs the server until the test ends and returns a client for it.
func serve(t *testing.T, where string, s Source) (*http.Client, string) {
	t.Helper()
	l, err := Listen(where)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, s, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, l.Addr().Network(), l.Addr().String())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, l.Addr().String()
}

func get(t *testing.T, c *http.Client, method, host, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	var live, ready error
	s := Source{Health: func() (error, error) { return live, ready }, Measure: func(p *Page) { p.Gauge("up", "Up", 1) }}
	c, addr := serve(t, "127.0.0.1:0", s)
	for _, tt := range []struct {
		method, host, path string
		live, ready        error
		code               int
		body               string
	}{
		{"GET", addr, "/metrics", nil, nil, 200, "# HELP up Up\n# TYPE up gauge\nup 1\n"},
		{"GET", addr, "/healthz", nil, errors.New("no broker"), 200, "ok\n"},
		{"GET", addr, "/readyz", nil, errors.New("no broker"), 503, "no broker\n"},
		{"GET", addr, "/readyz", nil, nil, 200, "ok\n"},
		{"GET", addr, "/healthz", errors.New("mesh hangs"), nil, 503, "mesh hangs\n"},
		{"GET", addr, "/readyz", errors.New("mesh hangs"), errors.New("no broker"), 503, "mesh hangs\nno broker\n"},
		{"POST", addr, "/metrics", nil, nil, 405, "Method Not Allowed\n"},
		{"GET", addr, "/debug/pprof/", nil, nil, 404, "404 page not found\n"},
		{"GET", "rebound.example.com", "/metrics", nil, nil, 403, "ask by a loopback address\n"},
		{"GET", "localhost:1", "/healthz", nil, nil, 200, "ok\n"},
		{"GET", "[::1]:1", "/healthz", nil, nil, 200, "ok\n"},
	} {
		live, ready = tt.live, tt.ready
		if code, body := get(t, c, tt.method, tt.host, tt.path); code != tt.code || body != tt.body {
			t.Errorf("%s %s%s: %d %q, want %d %q", tt.method, tt.host, tt.path, code, body, tt.code, tt.body)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "m.sock")
	s := Source{Health: func() (error, error) { return nil, nil }, Measure: func(*Page) {}}
	c, _ := serve(t, "unix:"+path, s)
	if code, body := get(t, c, "GET", "any.name", "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("%d %q", code, body)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Errorf("a second one: %v", err)
	}
	stale := filepath.Join(t.TempDir(), "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen("unix:" + stale); err != nil {
		t.Errorf("after a crash: %v", err)
	} else {
		l.Close()
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + file); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("over a file: %v", err)
	}
}
