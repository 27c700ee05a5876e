package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/node/journal"
)

// A data directory holds, each file of mode 0600:
//
//	node.json     who this node is: schema, root, name, when admitted, chain, where to find others
//	node.key      its key, which never leaves the host
//	seal.key      opens what others seal to this node
//	gossip.key    the mesh's key
//	issuing.key   peers only
//	labels        that an admin gave this node later, signed
//	documents/    replicated signed documents
//	audit/        what was decided and done, see package audit
//	journal.db, reads.ring, refused.ring   see package journal
//	lock
//	members.json, presence.json, brokers.json   see package mesh
const (
	nodeFile    = "node.json"
	keyFile     = "node.key"
	sealFile    = "seal.key"
	gossipFile  = "gossip.key"
	issuingFile = "issuing.key"
	labelsFile  = "labels"
	docsDir     = "documents"
	auditDir    = "audit"
	lockFile    = "lock"
	nodeSchema  = "fleet.node/v1"
)

// Membership is what makes a host a node of a fleet.
type Membership struct {
	Root       identity.Anchor
	Authority  identity.Authority // the newest root that this host has seen, which Root knows
	Key        identity.PrivateKey[identity.Node]
	Seal       identity.SealKey // opens what others seal to this node
	Chain      identity.Chain
	Issuing    identity.PrivateKey[identity.Issuing] // zero but on peers
	GossipKeys [][]byte                              // the mesh's keys: the first one encrypts, all are accepted
	Admitted   time.Time
	Seeds      []string // gossip addresses, host:port
	Brokers    []string // broker addresses, host:port
}

type nodeJSON struct {
	Schema   string          `json:"schema"`
	Root     identity.Anchor `json:"root"`
	Records  []byte          `json:"root_records"` // the chain, as Authority.Raw is
	Admitted time.Time       `json:"admitted"`
	Leaf     []byte          `json:"leaf"`
	Issuing  []byte          `json:"issuing"`
	Seeds    []string        `json:"seeds"`
	Brokers  []string        `json:"brokers"`
}

// DataDir is a node's directory, held by this process alone.
type DataDir struct {
	path string
	lock *os.File
}

// OpenDataDir makes the directory where it is missing and locks it. A second process on it is refused.
func OpenDataDir(path string) (*DataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, syscall.EROFS) { // who was here before can be here again, and be asked
		f, err = os.Open(filepath.Join(path, lockFile))
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := lock(f); err != nil {
		holder, _ := os.ReadFile(f.Name())
		f.Close()
		return nil, fmt.Errorf("another node (process %s) runs on the data directory %s; stop it, or give this one its own with --data",
			strings.TrimSpace(string(holder)), path)
	}
	// The process id is for people; the lock is what holds.
	f.Truncate(0)
	f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return &DataDir{path: path, lock: f}, nil
}

// lock takes the lock of an open file, or fails if another process holds it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// Close lets go of the lock.
func (d *DataDir) Close() error { return d.lock.Close() }

func (d *DataDir) file(name string) string { return filepath.Join(d.path, name) }

// ReadMembership reads a directory that another process may hold.
func ReadMembership(path string) (Membership, error) { return (&DataDir{path: path}).Load() }

// ErrNotAdmitted is wrapped by Load when the directory belongs to no fleet yet.
var ErrNotAdmitted = errors.New("this host is in no fleet yet")

// Load reads who this node is.
func (d *DataDir) Load() (Membership, error) {
	var m Membership
	raw, err := os.ReadFile(d.file(nodeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w (%s has no %s); give it a token with --join @FILE, FLEET_JOIN or /etc/fleet/join", ErrNotAdmitted, d.path, nodeFile)
	}
	if err != nil {
		return m, err
	}
	var n nodeJSON
	if err := json.Unmarshal(raw, &n); err != nil || n.Schema != nodeSchema {
		return m, fmt.Errorf("%s is damaged or of another release (schema %q): %w", d.file(nodeFile), n.Schema, errors.Join(err))
	}
	m = Membership{Root: n.Root, Chain: identity.Chain{Leaf: n.Leaf, Issuing: n.Issuing}, Admitted: n.Admitted, Seeds: n.Seeds, Brokers: n.Brokers}
	if m.Authority, err = identity.OpenRoot(n.Root, n.Records); err != nil {
		return m, fmt.Errorf("%s: %w", d.file(nodeFile), err)
	}
	if m.Key, err = identity.ReadKey[identity.Node](d.file(keyFile)); err != nil {
		return m, err
	}
	if m.Seal, err = readSeal(d.file(sealFile)); err != nil {
		return m, err
	}
	gossip, err := identity.ReadSecretFile(d.file(gossipFile))
	if err != nil {
		return m, fmt.Errorf("read gossip key: %w", err)
	}
	if m.GossipKeys, err = parseGossipKeys(gossip); err != nil {
		return m, fmt.Errorf("%s: %w", d.file(gossipFile), err)
	}
	m.Issuing, err = identity.ReadKey[identity.Issuing](d.file(issuingFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	return m, nil
}

// Save writes who this node is; documents are signed, the roster first. node.json comes last: without it the rest is nothing.
func (d *DataDir) Save(m Membership, documents [][]byte) error {
	if err := os.MkdirAll(d.file(docsDir), 0o700); err != nil {
		return err
	}
	secrets := map[string]string{keyFile: m.Key.Secret(), sealFile: m.Seal.Secret(), gossipFile: gossipKeyText(m.GossipKeys)}
	if !m.Issuing.IsZero() {
		secrets[issuingFile] = m.Issuing.Secret()
	}
	for name, text := range secrets {
		if err := atomicfile.Write(d.file(name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := os.Remove(d.file(labelsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // from now on the new token's count
		return err
	}
	docs, _, err := openDocuments(d.file(docsDir), m.Authority, nil)
	if err != nil {
		return err
	}
	for _, raw := range documents {
		_, err := docs.Put(raw)
		lags := errors.Is(err, gossip.ErrOlder) || errors.Is(err, gossip.ErrLost) // admitted again, by a peer that lags
		if err != nil && !lags && !errors.Is(err, gossip.ErrEnded) {
			return fmt.Errorf("keep the roster and revocations: %w", err)
		}
	}
	return d.saveNode(m)
}

// saveNode replaces node.json alone, as after a renewal.
func (d *DataDir) saveNode(m Membership) error {
	raw, err := json.MarshalIndent(nodeJSON{
		Schema: nodeSchema, Root: m.Root, Records: m.Authority.Raw(), Admitted: m.Admitted, Leaf: m.Chain.Leaf, Issuing: m.Chain.Issuing,
		Seeds: m.Seeds, Brokers: m.Brokers,
	}, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.file(nodeFile), append(raw, '\n'), 0o600)
}

func readSeal(path string) (identity.SealKey, error) {
	text, err := identity.ReadSecretFile(path)
	if err != nil {
		return identity.SealKey{}, fmt.Errorf("read sealing key: %w", err)
	}
	return identity.ParseSealKey(text)
}

// nodeKey returns the key of an earlier, unfinished admission, or a new one that is on disk.
func (d *DataDir) nodeKey() (identity.PrivateKey[identity.Node], error) {
	key, err := identity.ReadKey[identity.Node](d.file(keyFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := journal.Create(d.path, time.Now()); err != nil { // it is born with the key: a key without a journal has lost it
		return key, err
	}
	key = identity.NewKey[identity.Node]()
	return key, identity.WriteKey(d.file(keyFile), key)
}
