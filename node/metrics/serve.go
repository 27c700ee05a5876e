package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Source is what is shown. Both functions may be called from several goroutines and must not block for long.
type Source struct {
	// Health says what is wrong: live, that the node's loops do not turn any more, so that only a restart helps; ready, that
	// it cannot take jobs now. nil is well.
	Health func() (live, ready error)
	// Measure writes the numbers of this moment.
	Measure func(*Page)
}

// Serve answers on l until ctx ends, and closes it. It blocks. The error says why it ended before that.
func Serve(ctx context.Context, l net.Listener, s Source, log *slog.Logger) error {
	_, unix := l.(*net.UnixListener)
	server := &http.Server{
		Handler: handler(s, unix), ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if server.Shutdown(limited) != nil {
			server.Close()
		}
	})
	defer stop()
	if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func handler(s Source, unix bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var p Page
		s.Measure(&p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		io.WriteString(w, p.Text())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		live, _ := s.Health()
		tell(w, live)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		live, ready := s.Health()
		tell(w, errors.Join(live, ready))
	})
	slots := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !unix && !local(r.Host) {
			http.Error(w, "ask by a loopback address", http.StatusForbidden)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			mux.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many at once", http.StatusServiceUnavailable)
		}
	})
}

// local reports whether a request names a loopback address. A web page that somebody on this host looks at could make its
// own name mean 127.0.0.1 and read what is here; its requests carry that name.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func tell(w http.ResponseWriter, wrong error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if wrong != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, wrong)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Stamp is a time as Prometheus wants it: seconds since 1970. The zero time is 0.
func Stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
