package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// stampedeLook is between two pings that count. Each takes CPU from those that are coming.
const stampedeLook = 500 * time.Millisecond

// benchStampede starts many hosts at once with one token, and counts them until all are there.
func benchStampede(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	if err := f.grow(ctx, peers); err != nil {
		return err
	}
	if err := f.settled(ctx); err != nil {
		return err
	}
	carriers := slices.Clone(f.nodes)
	before, err := residents(carriers)
	if err != nil {
		return err
	}
	note("%d hosts at once", o.stampede)
	began := time.Now()
	coming := make(chan error, 1)
	go func() { coming <- f.addSeveral(ctx, o.stampede) }()
	all := peers + o.stampede
	err = f.until(ctx, stampedeLook, fmt.Sprintf("all %d hosts answer", all), func(names []string, _ int) bool { return len(names) == all })
	counted := time.Since(began)
	comeErr := <-coming
	if err := errors.Join(err, comeErr); err != nil {
		return err
	}
	after, err := residents(carriers)
	if err != nil {
		return err
	}
	var ready series
	for _, p := range f.nodes[peers:] {
		ready.add(p.took.Seconds())
	}
	fmt.Printf("%d hosts started at once with one token: a ping that had counted all ended after %.1f s\n", o.stampede, counted.Seconds())
	fmt.Printf("until a host was admitted and took jobs, seconds: %s\n", ready.spread())
	fmt.Printf("memory of the %d brokers' nodes, MB: %s before, %s after\n", peers, before.spread(), after.spread())
	fmt.Printf("warnings of the brokers' nodes meanwhile: %s\n", tellWarnings(carriers))
	fmt.Printf("warnings of the new hosts: %s\n", tellWarnings(f.nodes[peers:]))
	return nil
}

// residents is the resident memory of each process, in MB.
func residents(list []*process) (s series, err error) {
	for _, p := range list {
		n, err := p.resident()
		if err != nil {
			return s, err
		}
		s.add(float64(n) / 1e6)
	}
	return s, nil
}

// tellWarnings counts what processes have warned of.
func tellWarnings(list []*process) string {
	all := map[string]int{}
	for _, p := range list {
		for text, n := range p.warnings() {
			all[text] += n
		}
	}
	if len(all) == 0 {
		return "none"
	}
	var text string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		text += fmt.Sprintf("\n  %d x %s", all[k], k)
	}
	return text
}
