package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

const (
	// askEvery is how often a node that does not gossip asks how the mesh stands; each time up to half of it later, so that
	// thousands do not ask at once. News of brokers come in between by themselves.
	askEvery = 30 * time.Second
	// askSoon is when it asks again where nobody has answered.
	askSoon = 2 * time.Second
	// brokersFile is where it keeps the brokers for its next start, in the data directory.
	brokersFile   = "brokers.json"
	brokersSchema = "fleet.brokers/v1"
	// maxBrokersFile bounds it in bytes.
	maxBrokersFile = 64 << 10
)

// outside is what a node knows that has no gossip: what brokers' nodes tell it.
type outside struct {
	mu    sync.Mutex
	addrs []string
	again chan struct{}
	told  []string // by a node that carries a broker: what it told such nodes last; the mesh loop's own
}

func (o *outside) brokers() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.addrs)
}

// lookAgain asks for another look at the mesh, soon. It never blocks.
func (o *outside) lookAgain() {
	select {
	case o.again <- struct{}{}: // nil where the node gossips
	default:
	}
}

// openOutside takes up what was known when the node stopped.
func (n *Node) openOutside() error {
	if n.self.Load().Role == identity.Peer {
		return errors.New("a peer has to gossip: it may have to carry a broker; admit this host as a member, or take gossip = false out of its config")
	}
	n.outside.again = make(chan struct{}, 1)
	raw, err := os.ReadFile(n.config.Dir.file(brokersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if n.outside.addrs, err = decodeBrokersFile(raw); err != nil {
		n.log.Error("brokers of the last time", "file", n.config.Dir.file(brokersFile), logkey.Error, err) // those of the admission are left
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

// askLoop asks how the mesh stands, again and again, as others gossip.
func (n *Node) askLoop(ctx context.Context) {
	for ctx.Err() == nil {
		wait := askEvery + rand.N(askEvery/2)
		if raw, err := n.request(ctx, job.MeshSubject, nil); err != nil {
			wait = askSoon
			if !errors.Is(err, errNoBroker) && ctx.Err() == nil {
				n.log.Warn("how the mesh stands is not known anew", logkey.Error, err)
			}
		} else {
			n.takeMesh(ctx, raw)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-n.outside.again:
		}
		t.Stop()
	}
}

// hearMesh takes what brokers' nodes tell when it has changed.
func (n *Node) hearMesh(nc *nats.Conn) error {
	if n.gossip != nil {
		return nil
	}
	_, err := nc.Subscribe(job.MeshNewSubject, func(m *nats.Msg) { n.takeMesh(n.acting, m.Data) })
	return err
}

// takeMesh acts on how the mesh stands: it follows the brokers and fetches documents that are newer there.
func (n *Node) takeMesh(ctx context.Context, raw []byte) {
	m, err := job.DecodeMesh(raw)
	if err == nil {
		err = n.keepBrokers(m.Brokers)
	}
	if err != nil {
		n.log.Warn("news of the mesh", logkey.Error, err)
		return
	}
	if len(m.Digest) == 0 {
		return
	}
	refs, err := n.docs.Missing(m.Digest)
	if err != nil {
		n.log.Warn("news of the mesh", logkey.Error, err)
		return
	}
	n.fetch(ctx, refs)
}

// keepBrokers takes over the list, also for the next start. An empty one is of a broker that does not know itself yet.
func (n *Node) keepBrokers(addrs []string) error {
	slices.Sort(addrs)
	o := &n.outside
	o.mu.Lock()
	same := len(addrs) == 0 || slices.Equal(addrs, o.addrs)
	if !same {
		o.addrs = addrs
	}
	o.mu.Unlock()
	if same {
		return nil
	}
	n.kickMesh()
	raw, err := json.Marshal(brokersJSON{brokersSchema, addrs})
	if err != nil {
		return err
	}
	return identity.WriteFile(n.config.Dir.file(brokersFile), append(raw, '\n'), 0o600)
}

// answerMesh tells a node that does not gossip how the mesh stands.
func (n *Node) answerMesh(*nats.Msg) []byte {
	raw, err := job.Mesh{Brokers: n.brokers(), Digest: n.docs.Digest()}.Encode()
	if err != nil {
		n.log.Error("how the mesh stands was not told", logkey.Error, err)
	}
	return raw
}

// tellMesh tells all such nodes where the brokers have changed. The mesh loop calls it.
func (n *Node) tellMesh() {
	nc := n.conn.Load()
	if n.broker == nil || nc == nil {
		return
	}
	now := n.brokers()
	slices.Sort(now)
	if slices.Equal(now, n.outside.told) {
		return
	}
	if err := nc.Publish(job.MeshNewSubject, n.answerMesh(nil)); err != nil {
		n.log.Warn("nodes that do not gossip hear of the brokers later", logkey.Error, err)
		return
	}
	n.outside.told = now
}
