package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fleet/client"
	"fleet/internal/fleettest"
	"fleet/internal/logkey"
	"fleet/node"
	"fleet/plugins/plugin"
)

// lockedBuffer is a log that several goroutines write and the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// shown asks the node behind a unix socket; code 0 means that nobody answers.
func shown(t *testing.T, socket, path string) (code int, body string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://node"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestMetricsAndHealth(t *testing.T) {
	sockets, err := os.MkdirTemp("", "m") // the path of a unix socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "web1")
	var log lockedBuffer
	f := fleettest.New(t)
	f.Config = func(c *node.Config) {
		if c.BrokerPort != 0 { // the first host
			c.Metrics = "unix:" + socket
			c.Log = slog.New(slog.NewJSONHandler(&log, nil)).With(logkey.Host, "web1")
		}
	}
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{changing{}} }
	first := f.First()
	first.Start()
	c := f.Client()
	f.Await(c, 1)
	until(t, "readyz", func() bool { code, body := shown(t, socket, "/readyz"); return code == 200 && body == "ok\n" })
	ask := func(r client.Request) string {
		t.Helper()
		run, err := c.Run(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return run.JobID
	}
	ping(t, c)
	id := ask(planned(t, c, client.Request{Plugin: "changing", Action: "change", Timeout: patience}))
	ask(client.Request{Plugin: "fstat", Action: "stat", Args: map[string]any{"path": "/"}, Timeout: patience}) // which these hosts do not have
	_, page := shown(t, socket, "/metrics")
	for _, line := range []string{
		`fleet_jobs_total{outcome="ok"} 1`, `fleet_jobs_total{outcome="failed"} 1`, `fleet_jobs_total{outcome="refused"} 1`, `fleet_jobs_total{outcome="lost"} 0`,
		`fleet_jobs_refused_total{reason="no such action"} 1`, `fleet_jobs_refused_total{reason="policy"} 0`, `fleet_messages_dropped_total{reason="signature"} 0`,
		`fleet_members{presence="alive"} 1`, `fleet_members{presence="failed"} 0`, `fleet_connected 1`, `fleet_broker 1`, `fleet_broker_routes 0`,
		`fleet_roster_version 1`, `fleet_journal_errors_total 0`, `fleet_audit_errors_total 0`, `# TYPE fleet_jobs_total counter`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"fleet_certificate_expiry_timestamp_seconds ", `fleet_loop_age_seconds{loop="mesh"} `, "fleet_go_heap_bytes ", `fleet_build_info{version="test",protocol="1",go="go`} {
		if !strings.Contains(page, "\n"+name) {
			t.Errorf("no %q", name)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	jobLines(t, log.String(), id)
	first.Stop()
	if code, _ := shown(t, socket, "/healthz"); code != 0 {
		t.Errorf("answers %d after the node has ended", code)
	}
}

// jobLines checks that each line about the job says which and where.
func jobLines(t *testing.T, log, id string) {
	t.Helper()
	found := 0
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["host"] != "web1" {
			t.Errorf("no host: %s", line)
		}
		msg, _ := entry["msg"].(string)
		if strings.HasPrefix(msg, "job ") && (entry["job"] == nil || entry["signer"] != "ann") {
			t.Errorf("no job or signer: %s", line)
		}
		if entry["job"] == id {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d lines about the change, want its start and its end:\n%s", found, log)
	}
}

// changing has one change, which fails.
type changing struct{}

func (changing) Declaration() plugin.Declaration {
	return plugin.Declaration{Name: "changing", Description: "Fail", Author: "test", Version: "1.0.0", Timeout: patience,
		Actions: []plugin.Action{{Name: "change", Description: "Fail", Kind: plugin.Change}}}
}

func (changing) Run(context.Context, plugin.Call) plugin.Result { return plugin.Failf("as it must") }
