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

// floors are what a simulated fleet is compared with.
var floors = [...]struct {
	kind kind
	name string
}{
	{bare, "floor: bare NATS"},
	{signed, "floor: TLS, signed and verified both ways"},
	{sealed, "floor: the same, and each answer sealed"},
}

func simulatedSize(ctx context.Context, f *fleet, n int, t *table) error {
	var ping, status, here, broker, each, memory series
	var times, hereFloor, brokerFloor, eachFloor, memoryFloor [len(floors)]series
	perHost := func(before, after int64) float64 { return float64(after-before) / float64(n) / 1e3 }
	for pass := range simPasses {
		note("%d simulated hosts, pass %d of %d", n, pass+1, simPasses)
		for i, floor := range floors {
			r, err := runCrowd(ctx, f.dir, floor.kind, n, simRounds)
			if err != nil {
				return err
			}
			times[i].add(r.Rounds...)
			hereFloor[i].add(r.CPUHere)
			brokerFloor[i].add(r.CPUBroker)
			eachFloor[i].add(r.Connect / float64(n))
			memoryFloor[i].add(perHost(r.Before, r.After))
		}
		r, err := f.sim(ctx, n, "--rounds", strconv.Itoa(simRounds))
		if err != nil {
			return err
		}
		ping.add(r.Questions[0].Ended...)
		status.add(r.Questions[1].Ended...)
		here.add(r.Questions[0].CPUHere)
		broker.add(r.Questions[0].CPUBroker)
		each.add(r.Connect / float64(n))
		memory.add(perHost(r.Before, r.After))
	}
	for i, floor := range floors {
		t.cell(floor.name, times[i].spread())
	}
	t.cell("fleet sim: ping", ping.spread())
	t.cell("fleet sim: service nginx status", status.spread())
	t.cell("ping / signed floor, / sealed floor", fmt.Sprintf("%.2f, %.2f", ping.median()/times[1].median(), ping.median()/times[2].median()))
	t.cell("CPU us a host, ends + broker: ping", fmt.Sprintf("%.0f + %.0f", here.median(), broker.median()))
	for i, floor := range floors {
		t.cell("CPU us a host, ends + broker: floor "+string(floor.kind), fmt.Sprintf("%.0f + %.0f", hereFloor[i].median(), brokerFloor[i].median()))
	}
	t.cell("connect, ms a host: fleet, floor with TLS", fmt.Sprintf("%.2f, %.2f", each.median(), eachFloor[1].median()))
	t.cell("broker, kB a host: fleet, TLS, bare", fmt.Sprintf("%.0f, %.0f, %.0f", memory.median(), memoryFloor[1].median(), memoryFloor[0].median()))
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
