package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// The floor beside `fleet sim`: as many connections in one process, the one that asks in the same process, and the broker in
// another, as there.

const (
	// crowdAtOnce is how many connect at one time, as in fleet sim.
	crowdAtOnce = 128
	// crowdLimit bounds one round.
	crowdLimit = time.Minute
)

// crowdReport is what the process of a crowd prints, as one line of JSON.
type crowdReport struct {
	Connect float64   `json:"connect_ms"`
	Rounds  []float64 `json:"rounds_ms"`
	Before  int64     `json:"broker_memory_before"` // filled in by the parent
	After   int64     `json:"broker_memory_after"`
}

// runCrowd starts a broker and a crowd of n, and returns what it measured. kind is bare or signed; signed has TLS too.
func runCrowd(ctx context.Context, dir, kind string, n, rounds int) (r crowdReport, err error) {
	f, err := startFloor(ctx, filepath.Join(dir, "crowd-"+kind), kind == "bare")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(f.dir)) }()
	defer f.stop()
	broker := f.processes[0]
	before, err := broker.resident()
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, f.self, floorWord, f.cert, f.url, "crowd", kind, strconv.Itoa(n), strconv.Itoa(rounds))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	decodeErr := json.NewDecoder(out).Decode(&r)
	r.Before = before
	r.After, err = broker.resident() // the crowd is still connected: it ends when its input does
	return r, errors.Join(decodeErr, err, cmd.Process.Signal(os.Interrupt), cmd.Wait())
}

// floorCrowd is the process of a crowd. It prints what it measured, and keeps its connections until ctx ends.
func floorCrowd(ctx context.Context, url string, config *tls.Config, key ed25519.PrivateKey, kind string, n, rounds int) error {
	began := time.Now()
	conns, err := connectCrowd(ctx, url, config, key, kind, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	if err != nil {
		return err
	}
	r := crowdReport{Connect: milliseconds(time.Since(began))}
	asker, err := nats.Connect(url, floorOptions(config)...)
	if err != nil {
		return err
	}
	defer asker.Close()
	for range rounds {
		began := time.Now()
		if err := floorAsk(ctx, asker, key, kind, n); err != nil {
			return err
		}
		r.Rounds = append(r.Rounds, milliseconds(time.Since(began)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func connectCrowd(ctx context.Context, url string, config *tls.Config, key ed25519.PrivateKey, kind string, n int) ([]*nats.Conn, error) {
	conns, errs, slots := make([]*nats.Conn, n), make([]error, n), make(chan struct{}, crowdAtOnce)
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if conns[i], errs[i] = nats.Connect(url, floorOptions(config)...); errs[i] == nil {
				errs[i] = listen(conns[i], key, kind)
			}
		})
	}
	all.Wait()
	var made []*nats.Conn
	for _, c := range conns {
		if c != nil {
			made = append(made, c)
		}
	}
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return made, fmt.Errorf("%d of %d connected: %w", len(made), n, err)
	}
	return made, nil
}

// milliseconds is d as a number with a fraction.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
