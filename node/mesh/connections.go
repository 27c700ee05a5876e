package mesh

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/presence"
)

// presenceFile is where it is kept who was connected, in the data directory.
const presenceFile = "presence.json"

// connections knows who is connected to a broker. Only peers have it: they run brokers, and answer who is there.
type connections struct {
	*presence.Table
	self    identity.ID
	file    string
	publish func(subject string, data []byte) error
	log     *slog.Logger
	broker  chan *broker.Broker // the one that this node runs from now on, nil for none
	news    chan struct{}       // somebody wants to be told all, or this peer to ask for it
}

func newConnections(self identity.ID, file string, publish func(string, []byte) error, log *slog.Logger) *connections {
	c := &connections{presence.New(self, log), self, file, publish, log, make(chan *broker.Broker), make(chan struct{}, 1)}
	if err := c.Load(time.Now(), c.file); err != nil {
		log.Error("cannot read the saved presence", logkey.Error, err)
	}
	return c
}

// wake has what there is to tell told soon. It never blocks.
func (c *connections) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// watch says which broker this node runs from now on. It blocks until that is taken in, or ctx ends.
func (c *connections) watch(ctx context.Context, b *broker.Broker) {
	select {
	case c.broker <- b:
	case <-ctx.Done():
	}
}

// run looks at the connections to this node's broker and tells the other peers, until ctx ends.
func (c *connections) run(ctx context.Context) {
	look, save := time.NewTimer(presenceTick), time.NewTicker(presenceSave)
	defer look.Stop()
	defer save.Stop()
	var watched *broker.Broker
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			c.save()
			return
		case watched = <-c.broker:
			c.SetBroker(time.Now(), watched != nil)
		case <-save.C:
			c.save()
			continue
		case <-c.news:
			look.Reset(max(0, presenceSpacing-time.Since(looked)))
			continue
		case <-look.C:
		}
		now := time.Now()
		looked = now
		look.Reset(presenceTick)
		if watched != nil {
			went, came := watched.Changes()
			c.Own(now, went, connectedHosts(came))
		}
		c.Tick(now)
		c.tell(c.Say(now))
	}
}

func connectedHosts(came []broker.Connected) []presence.Host {
	hosts := make([]presence.Host, len(came))
	for i, h := range came {
		hosts[i] = presence.Host{Node: h.Node, Name: h.Name, Role: h.Role, Token: h.Token, Came: h.Came}
	}
	return hosts
}

func (c *connections) tell(messages [][]byte) {
	for _, raw := range messages {
		err := c.publish(job.PresenceSubject(c.self), raw)
		if errors.Is(err, ErrNoBroker) {
			return // who hears the next message asks for what was missed
		}
		if err != nil {
			c.log.Warn("cannot send presence to the other brokers", logkey.Error, err)
			return
		}
	}
}

func (c *connections) save() {
	if err := c.Save(time.Now(), c.file); err != nil {
		c.log.Error("cannot save presence; after a restart this node would not know which hosts to expect", logkey.Error, err)
	}
}

// hearPresence takes what another peer tells.
func (m *Mesh) hearPresence(msg *nats.Msg) {
	asked, err := m.connections.Hear(time.Now(), lastToken(msg.Subject), msg.Data)
	if err != nil {
		m.log.Warn("ignored invalid presence from another broker", logkey.Error, err)
	}
	if asked {
		m.connections.wake()
	}
	if m.RunsBroker() && !m.shown.serves.Load() {
		m.look() // this may have been what it waits for
	}
}

// lastToken is who speaks: brokers let a node publish there under its own id alone.
func lastToken(subject string) identity.ID {
	return identity.ID(subject[strings.LastIndexByte(subject, '.')+1:])
}
