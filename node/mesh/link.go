package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/job"
)

// ErrRefused is wrapped by Dial where the broker is there and does not let whoever asks in.
var ErrRefused = errors.New("the broker refuses it")

// Link is a connection for a question or two, of somebody who is no node yet or only looks. It is not made again when it breaks.
type Link struct{ nc *nats.Conn }

// Dial connects to the broker at addr (host:port) as whoever conf says, under the id whose inbox he may use; name is what the broker
// logs. It blocks for limit at most.
func Dial(addr, name string, id identity.ID, conf *tls.Config, limit time.Duration) (*Link, error) {
	nc, err := nats.Connect(job.BrokerURL(addr), nats.Name(name), nats.Secure(conf), nats.TLSHandshakeFirst(), nats.CustomInboxPrefix(job.Inbox(id)),
		nats.NoReconnect(), nats.Timeout(limit), nats.IgnoreDiscoveredServers())
	if refused(err) {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return &Link{nc}, err
}

// Ask blocks until the answer is there, or ctx ends.
func (l *Link) Ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	m, err := l.nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// RTT is how long one ping takes.
func (l *Link) RTT() (time.Duration, error) { return l.nc.RTT() }

// Close ends the connection.
func (l *Link) Close() { l.nc.Close() }
