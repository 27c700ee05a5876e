package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fleet/gossip"
	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
	"fleet/internal/wire"
	"fleet/job"
)

const (
	// brokersFile is where a host keeps the brokers for its next start, in the data directory.
	brokersFile   = "brokers.json"
	brokersSchema = "fleet.brokers/v1"
)

// outbound is what a node knows of brokers beside what gossip says at this moment: where they were when it was told last, by gossip, or
// where that says nothing, by a node with a broker.
type outbound struct {
	mu    sync.Mutex
	addrs []string
	again chan struct{}
}

func (o *outbound) brokers() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.addrs)
}

// lookAgain asks for another look at the mesh, soon. It never blocks.
func (o *outbound) lookAgain() {
	select {
	case o.again <- struct{}{}:
	default:
	}
}

// openOutbound takes up what was known when the node stopped.
func (m *Mesh) openOutbound() error {
	m.outbound.again = make(chan struct{}, 1)
	path := filepath.Join(m.config.Dir, brokersFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if m.outbound.addrs, err = decodeBrokersFile(raw); err != nil { // those of the admission are left
		m.log.Error("cannot read the saved list of brokers", logkey.File, path, logkey.Error, err)
	}
	return nil
}

type brokersJSON struct {
	Schema  string   `json:"schema"`
	Brokers []string `json:"brokers"`
}

func decodeBrokersFile(raw []byte) ([]string, error) {
	if len(raw) > maxBrokersFile {
		return nil, fmt.Errorf("%d bytes, at most %d are possible", len(raw), maxBrokersFile)
	}
	var f brokersJSON
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if f.Schema != brokersSchema {
		return nil, fmt.Errorf("it is of another release: its schema is %q, not %q", f.Schema, brokersSchema)
	}
	again, err := job.Mesh{Brokers: f.Brokers}.Encode()
	if err != nil {
		return nil, err
	}
	m, err := job.DecodeMesh(again) // which says what an address is
	return m.Brokers, err
}

// askLoop keeps where the brokers are, again and again: as gossip says, or if it names none, as a node with a broker does. That one says
// how the mesh stands as gossip would.
func (m *Mesh) askLoop(ctx context.Context) {
	for ctx.Err() == nil {
		wait := askEvery + rand.N(askEvery/2)
		if named := addrsOf(others(m.welcome(), m.self)); len(named) > 0 || m.RunsBroker() {
			if err := m.keepBrokers(named); err != nil {
				m.log.Warn("cannot save the list of brokers; after a restart this node may look for them where they were", logkey.Error, err)
			}
		} else if raw, err := m.askMesh(ctx); err != nil {
			wait = askSoon
			if !errors.Is(err, ErrNoBroker) && ctx.Err() == nil {
				m.log.Warn("cannot update the state of the mesh; retrying", logkey.Error, err)
			}
		} else {
			m.takeMesh(ctx, raw)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-m.outbound.again:
		}
		t.Stop()
	}
}

func (m *Mesh) askMesh(ctx context.Context) ([]byte, error) {
	nothing, err := wire.Marshal(nil)
	if err != nil {
		return nil, err
	}
	return m.Request(ctx, job.MeshSubject, nothing)
}

// takeMesh acts on how the mesh stands: it follows the brokers and fetches documents that are newer there.
func (m *Mesh) takeMesh(ctx context.Context, raw []byte) {
	news, err := job.DecodeMesh(raw)
	if err == nil {
		err = m.keepBrokers(news.Brokers)
	}
	var missing, ahead []gossip.Ref
	if err == nil && len(news.Digest) > 0 {
		missing, ahead, err = m.config.Docs.Compare(news.Digest)
	}
	if err != nil {
		m.log.Warn("ignored an invalid mesh update", logkey.Error, err)
		return
	}
	m.config.Differ(ctx, missing, ahead)
}

// keepBrokers takes over the list, also for the next start. An empty one is of a broker that does not know itself yet, or of gossip that
// reaches nobody.
func (m *Mesh) keepBrokers(addrs []string) error {
	slices.Sort(addrs)
	o := &m.outbound
	o.mu.Lock()
	same := len(addrs) == 0 || slices.Equal(addrs, o.addrs)
	if !same {
		o.addrs = addrs
	}
	o.mu.Unlock()
	if same {
		return nil
	}
	m.look()
	raw, err := json.Marshal(brokersJSON{brokersSchema, addrs})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(m.config.Dir, brokersFile), append(raw, '\n'), 0o600)
}

// answerMesh tells a node that does not gossip how the mesh stands.
func (m *Mesh) answerMesh() []byte {
	raw, err := job.Mesh{Brokers: m.Brokers(), Digest: m.config.Docs.Digest()}.Encode()
	if err != nil {
		m.log.Error("cannot send a mesh update", logkey.Error, err)
	}
	return raw
}
