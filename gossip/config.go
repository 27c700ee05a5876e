package gossip

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// Profile is a set of intervals for one kind of network.
type Profile uint8

const (
	// LAN is for hosts in one region: a crash is noticed in 2 to 10 s, an idle node sends about 220 bytes/s.
	LAN Profile = iota
	// Loopback is for many nodes on one machine, for tests and the demo: five times faster, for as much more work.
	Loopback
)

// Config says what New needs. Fields without a default must be set.
type Config struct {
	// Self is what this node announces of itself: ID, Host, Started, Peer, Pinned, Ephemeral, Protocol, and the broker
	// if it runs one from the start. Addr, State, Since and LastSeen are ignored.
	Self Member

	// Fleet, up to 255 bytes, goes with each packet in the clear and is authenticated by it: two fleets on one network
	// do not mix, even with one key.
	Fleet string

	// Bind is where to listen, TCP and UDP; port 0 takes a free one. With an unspecified address (0.0.0.0) the node
	// announces the address from which it would reach the outside.
	Bind netip.AddrPort

	// Advertise is what others are told to reach, where that is not Bind (NAT). Port 0 is the bound port.
	Advertise netip.AddrPort

	// Keys are AES-256 keys of 32 bytes. The first one encrypts; every one of them is accepted, so that a key can be
	// rotated, see SetKeys. There is no mode without a key.
	Keys [][]byte

	// MembersFile is where all members that are known are kept across a restart, "" for none. Its directory must exist.
	MembersFile string

	// ForgetEphemeral and Forget say how long members that are gone stay known: those announced as ephemeral, and all
	// others. Defaults: one hour, and 72 hours. Longer means longer lists of silent hosts.
	ForgetEphemeral, Forget time.Duration

	Profile Profile

	// Log gets what happens; nil for nothing.
	Log *slog.Logger

	// OnChange is called after Members may have changed: while Run runs, never concurrently with itself, many changes
	// together. While it blocks, changes wait; nothing else does.
	OnChange func()

	// Docs are the documents whose digest is exchanged, nil for none.
	Docs *Store

	// OnDiffer is called after a push/pull with a node whose documents are others than Docs: missing is what it claims to
	// have and should count here; ahead is what should count there, if that node runs a broker, since brokers' nodes hand
	// documents out. It is called while Run runs, never concurrently with itself. While it blocks, further news is dropped;
	// the next push/pull brings it again.
	OnDiffer func(missing, ahead []Ref)

	// OnMissed is called when another node's Reach asks for this one: somebody waits for what it has to say. It must not block. nil
	// for nothing.
	OnMissed func()

	// Prove signs a challenge with the key that Self.ID is the name of; Proven says whether a proof is the signature over a
	// challenge by the key of that id. nil: nothing is proven, so no id ever counts as used twice.
	Prove  func(challenge []byte) (proof []byte)
	Proven func(id string, challenge, proof []byte) bool

	// transport stands in for the network in tests.
	transport memberlist.NodeAwareTransport
}

func (c *Config) check() error {
	switch {
	case !validID(c.Self.ID):
		return fmt.Errorf("node id %q is not 1 to %d of a-z, 0-9 and '-'", c.Self.ID, maxID)
	case !c.Bind.IsValid():
		return errors.New("an address to listen on is needed")
	case len(c.Fleet) > memberlist.LabelMaxSize:
		return fmt.Errorf("fleet id has %d bytes, at most %d are allowed", len(c.Fleet), memberlist.LabelMaxSize)
	}
	if err := checkKeys(c.Keys); err != nil {
		return err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Forget == 0 {
		c.Forget = defaultForget
	}
	if c.ForgetEphemeral == 0 {
		c.ForgetEphemeral = defaultForgetEphemeral
	}
	return nil
}

// pace is what Run's own loop goes by.
type pace struct {
	rejoinMin, rejoinMax time.Duration // wait between attempts to find lost members
	resync               time.Duration // wait before each of the extra push/pulls after a join
	clash                time.Duration // the same, after a conflict about this node's own id
	ask                  time.Duration // between two rounds of questions to those who claim one id
	housekeeping         time.Duration // forgetting, and saving the members
	announce             time.Duration // longest wait until a change of the metadata is out
}

func (p Profile) pace() pace {
	if p == Loopback {
		return pace{200 * time.Millisecond, 2 * time.Second, 200 * time.Millisecond, time.Second, 2 * time.Second, time.Second, time.Second}
	}
	return pace{time.Second, 30 * time.Second, time.Second, 5 * time.Second, 10 * time.Second, 5 * time.Second, 3 * time.Second}
}

// memberlist makes its configuration. What is not set here is as DefaultLANConfig has it.
func (c *Config) memberlist(g *gate) (*memberlist.Config, error) {
	m := memberlist.DefaultLANConfig()
	m.Name = c.Self.ID
	m.Label = c.Fleet
	m.EnableCompression = false // metadata and AES leave nothing to gain
	// memberlist wakes each time, also with no news, and with its 200 ms, to 3 nodes, that was half of what woke a member at rest. A
	// crash is known no later so: what takes time is the suspecting (docs/SCALE.md).
	m.GossipInterval, m.GossipNodes = 500*time.Millisecond, 5
	m.TCPTimeout = 5 * time.Second
	m.HandoffQueueDepth = 4096
	// A host that died and came back under another address need not wait until it is forgotten.
	m.DeadNodeReclaimTime = 5 * time.Second
	if c.Profile == Loopback {
		m.TCPTimeout = 2 * time.Second
		m.ProbeInterval = 200 * time.Millisecond
		m.ProbeTimeout = 100 * time.Millisecond
		m.GossipInterval = 40 * time.Millisecond
		m.PushPullInterval = 3 * time.Second
		m.GossipToTheDeadTime = 5 * time.Second
		m.DeadNodeReclaimTime = time.Second
	}
	ring, err := memberlist.NewKeyring(c.Keys, c.Keys[0])
	if err != nil {
		return nil, fmt.Errorf("gossip keys: %w", err)
	}
	m.Keyring = ring
	m.GossipVerifyIncoming, m.GossipVerifyOutgoing = true, true
	m.Logger = newLogger(c.Log, g)
	return m, nil
}
