package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

const (
	// simRounds is how often each is asked in a pass.
	simRounds = 5
	// simPasses is how often floor and fleet are measured in turn, each from its first connection on.
	simPasses = 2
	// simReconnect is of how many hosts the broker is killed.
	simReconnect = 1000
)

// simReport is what is read of `fleet sim -o json`, schema fleet.sim/v1.
type simReport struct {
	Schema    string  `json:"schema"`
	Hosts     int     `json:"hosts"`
	Connect   float64 `json:"connect_ms"`
	Before    int64   `json:"broker_memory_before"`
	After     int64   `json:"broker_memory_after"`
	Questions []struct {
		Name      string    `json:"name"`
		Last      []float64 `json:"last_answer_ms"`
		Ended     []float64 `json:"ended_ms"`
		CPUHere   float64   `json:"cpu_here_us"`
		CPUBroker float64   `json:"cpu_broker_us"`
		Answered  int       `json:"answered"`
	} `json:"questions"`
	Kill *struct {
		Hosts int     `json:"hosts"`
		Back  float64 `json:"back_ms"`
		Heard float64 `json:"heard_ms"`
	} `json:"kill"`
}

// benchSimulated measures `fleet sim` at each size between floors of the same size.
func benchSimulated(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	t := table{head: "milliseconds: median (smallest-largest)"}
	for _, n := range o.simulated {
		t.column(fmt.Sprintf("%d hosts", n))
		if err := simulatedSize(ctx, f, n, &t); err != nil {
			return err
		}
	}
	fmt.Print(t.String())
	fmt.Println("wanted: at most 1.3 times the signed floor; 5000 hosts in under 1500 ms")
	r, err := f.sim(ctx, simReconnect, "--brokers", "3", "--kill")
	if err != nil {
		return err
	}
	fmt.Printf("\n%d hosts on three brokers, one with %d of them killed: all on the others after %.1f s; a ping begun then had ended, naming the dead, after %.1f s\nwanted: all on the others in under 5 s\n",
		r.Hosts, r.Kill.Hosts, r.Kill.Back/1000, r.Kill.Heard/1000)
	return nil
}

func simulatedSize(ctx context.Context, f *fleet, n int, t *table) error {
	var bare, signed, ping, status, each series // each: connect, ms a host
	var here, broker, fleetKB, tlsKB, bareKB, floorEach series
	perHost := func(before, after int64) float64 { return float64(after-before) / float64(n) / 1e3 }
	for pass := range simPasses {
		note("%d simulated hosts, pass %d of %d", n, pass+1, simPasses)
		b, err := runCrowd(ctx, f.dir, "bare", n, simRounds)
		if err != nil {
			return err
		}
		s, err := runCrowd(ctx, f.dir, "signed", n, simRounds)
		if err != nil {
			return err
		}
		r, err := f.sim(ctx, n, "--rounds", strconv.Itoa(simRounds))
		if err != nil {
			return err
		}
		bare.values, signed.values = append(bare.values, b.Rounds...), append(signed.values, s.Rounds...)
		ping.values, status.values = append(ping.values, r.Questions[0].Ended...), append(status.values, r.Questions[1].Ended...)
		each.values, floorEach.values = append(each.values, r.Connect/float64(n)), append(floorEach.values, s.Connect/float64(n))
		here.values, broker.values = append(here.values, r.Questions[0].CPUHere), append(broker.values, r.Questions[0].CPUBroker)
		fleetKB.values = append(fleetKB.values, perHost(r.Before, r.After))
		tlsKB.values, bareKB.values = append(tlsKB.values, perHost(s.Before, s.After)), append(bareKB.values, perHost(b.Before, b.After))
	}
	t.cell("floor: bare NATS", bare.spread())
	t.cell("floor: TLS, signed and verified both ways", signed.spread())
	t.cell("fleet sim: ping", ping.spread())
	t.cell("fleet sim: service nginx status", status.spread())
	t.cell("ping / signed floor", fmt.Sprintf("%.2f", ping.median()/signed.median()))
	t.cell("ping / bare floor", fmt.Sprintf("%.2f", ping.median()/bare.median()))
	t.cell("CPU us a host and ping: hosts and client", fmt.Sprintf("%.0f", here.median()))
	t.cell("CPU us a host and ping: broker's node", fmt.Sprintf("%.0f", broker.median()))
	t.cell("connect, ms a host", fmt.Sprintf("%.2f", each.median()))
	t.cell("floor: connect with TLS, ms a host", fmt.Sprintf("%.2f", floorEach.median()))
	t.cell("broker's memory, kB a host", fmt.Sprintf("%.0f", fleetKB.median()))
	t.cell("floor: the same with TLS", fmt.Sprintf("%.0f", tlsKB.median()))
	t.cell("floor: the same, bare", fmt.Sprintf("%.0f", bareKB.median()))
	return nil
}

// sim runs `fleet sim` to its end. All hosts must have answered each question.
func (f *fleet) sim(ctx context.Context, n int, more ...string) (r simReport, err error) {
	cmd := f.run(ctx, append([]string{"sim", strconv.Itoa(n), "-o", "json"}, more...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("fleet sim %d: %w\n%s", n, err, errs.String())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("fleet sim %d: %w", n, err)
	}
	if r.Schema != "fleet.sim/v1" || len(r.Questions) != 2 || slices.Contains(more, "--kill") != (r.Kill != nil) {
		return r, fmt.Errorf("fleet sim %d: not what is expected: %s", n, out)
	}
	for _, q := range r.Questions {
		if q.Answered != n {
			return r, errors.New("fleet sim: not every host answered " + q.Name)
		}
	}
	return r, nil
}
