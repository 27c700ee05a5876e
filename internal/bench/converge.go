package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fleet/internal/wait"
)

const (
	// convergeRounds is how often each is tried at each size.
	convergeRounds = 3
	// calm is how long the mesh is left alone between two of them. A host may answer before every node has heard that it is
	// back, and one that crashes before that is told as failed at once, since it still is.
	calm = 5 * time.Second
)

// benchConverge measures how long it takes until a ping tells of a change in the mesh.
func benchConverge(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	t := table{head: "milliseconds: median (smallest-largest)"}
	for _, n := range o.hosts {
		if n <= peers {
			continue // there is nobody to be killed
		}
		note("%d hosts", n)
		if err := f.grow(ctx, n); err != nil {
			return err
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
		t.column(fmt.Sprintf("%d hosts", n))
		for _, c := range []struct {
			name string
			once func(context.Context, int) (time.Duration, error)
		}{
			{"a new host: from its start until a ping has it", f.newcomer},
			{"a member crashed: until a ping names it", func(ctx context.Context, _ int) (time.Duration, error) { return f.crash(ctx, len(f.nodes)-1) }},
			{"a broker crashed: until a ping names it", func(ctx context.Context, _ int) (time.Duration, error) { return f.crash(ctx, 1) }},
			{"back from disk: from its start until in a ping", f.comeback},
		} {
			s := series{name: c.name}
			for round := range convergeRounds {
				took, err := c.once(ctx, round)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				s.add(milliseconds(took))
				if err := f.settled(ctx); err != nil {
					return fmt.Errorf("after: %s: %w", c.name, err)
				}
				if err := wait.For(ctx, calm); err != nil {
					return err
				}
			}
			t.cell(c.name, s.spread())
		}
	}
	fmt.Print(t.String())
	return nil
}

// newcomer starts one host more, for the time of the measurement.
func (f *fleet) newcomer(ctx context.Context, round int) (took time.Duration, err error) {
	number := 1000 + len(f.nodes)*10 + round // a name that nobody had
	began, started, failed := time.Now(), make(chan *process, 1), make(chan error, 1)
	go func() {
		p, err := f.start(ctx, number, "--join", "@"+f.tokens["member"])
		failed <- err
		started <- p
	}()
	name := fmt.Sprintf("web%d", number)
	err = f.until(ctx, lookAgain, name+" answers", func(names []string, _ int) bool { return slices.Contains(names, name) })
	took = time.Since(began)
	if startErr := <-failed; startErr != nil {
		return 0, startErr
	}
	stopAll([]*process{<-started})
	return took, err
}

// crash kills a node and starts it again afterwards. It returns how long it took until a ping, the first of which begins at
// once, was answered by all others and named it.
func (f *fleet) crash(ctx context.Context, i int) (time.Duration, error) {
	began := time.Now()
	f.nodes[i].kill()
	err := f.until(ctx, lookAgain, "the others answer", func(names []string, exit int) bool { return exit == exitSilent && len(names) == len(f.nodes)-1 })
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, f.again(ctx, i)
}

// exitSilent is how a ping ends that names somebody who did not answer.
const exitSilent = 5

// again starts a node from its disk.
func (f *fleet) again(ctx context.Context, i int) error {
	p, err := f.start(ctx, i+1)
	if err == nil {
		f.nodes[i] = p
	}
	return err
}

// comeback kills a member, waits until that is known, and measures until it is back.
func (f *fleet) comeback(ctx context.Context, _ int) (time.Duration, error) {
	i := len(f.nodes) - 1
	f.nodes[i].kill()
	if err := f.until(ctx, lookAgain, "the others answer", func(names []string, exit int) bool { return exit == exitSilent && len(names) == len(f.nodes)-1 }); err != nil {
		return 0, err
	}
	began, failed := time.Now(), make(chan error, 1)
	go func() { failed <- f.again(ctx, i) }()
	name := fmt.Sprintf("web%d", i+1)
	err := f.until(ctx, lookAgain, name+" answers", func(names []string, _ int) bool { return slices.Contains(names, name) })
	took := time.Since(began)
	if startErr := <-failed; startErr != nil {
		return 0, startErr
	}
	return took, err
}
