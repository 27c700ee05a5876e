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

	"fleet/internal/proc"
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
	Connect   float64   `json:"connect_ms"`
	Rounds    []float64 `json:"rounds_ms"`
	CPUHere   float64   `json:"cpu_here_us"` // of the crowd's process, for each host and round
	CPUBroker float64   `json:"cpu_broker_us"`
	Before    int64     `json:"broker_memory_before"` // filled in by the parent
	After     int64     `json:"broker_memory_after"`
}

// runCrowd starts a broker and a crowd of n, and returns what it measured. All kinds but bare have TLS.
func runCrowd(ctx context.Context, dir string, k kind, n, rounds int) (r crowdReport, err error) {
	f, err := startFloor(ctx, filepath.Join(dir, "crowd"), k == bare)
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
	cmd := exec.CommandContext(ctx, f.self, floorWord, f.cert, f.url, "crowd", string(k), strconv.Itoa(n), strconv.Itoa(rounds),
		strconv.Itoa(broker.cmd.Process.Pid))
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

// crowd is the process of n that answer and one that asks.
type crowd struct {
	url    string
	config *tls.Config
	key    ed25519.PrivateKey
	kind   kind
	n      int
	broker int // its process id
}

// run prints what it measured, and keeps its connections until ctx ends.
func (c crowd) run(ctx context.Context, rounds int) error {
	began := time.Now()
	conns, err := c.connect(ctx)
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	if err != nil {
		return err
	}
	r := crowdReport{Connect: milliseconds(time.Since(began))}
	asker, err := nats.Connect(c.url, floorOptions(c.config)...)
	if err != nil {
		return err
	}
	defer asker.Close()
	here, broker, err := c.cpu()
	if err != nil {
		return err
	}
	for range rounds {
		began := time.Now()
		if err := floorAsk(ctx, asker, c.key, c.kind, c.n); err != nil {
			return err
		}
		r.Rounds = append(r.Rounds, milliseconds(time.Since(began)))
	}
	hereAfter, brokerAfter, err := c.cpu()
	if err != nil {
		return err
	}
	each := float64(rounds * c.n)
	r.CPUHere, r.CPUBroker = float64((hereAfter-here).Microseconds())/each, float64((brokerAfter-broker).Microseconds())/each
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// cpu is what this process has used, and the broker's.
func (c crowd) cpu() (here, broker time.Duration, err error) {
	here, err = proc.CPU(os.Getpid())
	broker, err2 := proc.CPU(c.broker)
	return here, broker, errors.Join(err, err2)
}

func (c crowd) connect(ctx context.Context) ([]*nats.Conn, error) {
	conns, errs, slots := make([]*nats.Conn, c.n), make([]error, c.n), make(chan struct{}, crowdAtOnce)
	var all sync.WaitGroup
	for i := range c.n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if conns[i], errs[i] = nats.Connect(c.url, floorOptions(c.config)...); errs[i] == nil {
				errs[i] = listen(conns[i], c.key, c.kind)
			}
		})
	}
	all.Wait()
	var made []*nats.Conn
	for _, nc := range conns {
		if nc != nil {
			made = append(made, nc)
		}
	}
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return made, fmt.Errorf("%d of %d connected: %w", len(made), c.n, err)
	}
	return made, nil
}

// milliseconds is d as a number with a fraction.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
