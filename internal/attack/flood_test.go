package attack

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"fleet/job"
)

// brokers is how much memory the processes with a broker have together, in MB, for a test to print.
func (m *mesh) brokers(t *testing.T) (mb int64) {
	t.Helper()
	for _, h := range m.hosts[:3] {
		mb += h.resident(t) >> 20
	}
	return mb
}

// A member may subscribe to any subject below its inbox, of any length, and in any queue group, and every broker of the fleet hears
// of each subscription.
func TestMemberSubscribesWithoutEnd(t *testing.T) {
	const asked, most = 100_000, 64
	var refused atomic.Int64
	before := shared.brokers(t)
	nc, err := shared.dial(shared.nodeTLS(shared.hosts[3].creds), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
			refused.Add(1)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	from := shared.hosts[0].log.mark()
	long := strings.Repeat("x", 400)
	ignore := func(*nats.Msg) {}
	for i := range asked {
		if i%2 == 0 {
			_, err = nc.Subscribe(fmt.Sprintf("%s.%d.%s", job.Inbox(shared.hosts[3].id), i, long), ignore)
		} else {
			_, err = nc.QueueSubscribe(job.AllSubject, fmt.Sprint(i, long), ignore)
		}
		if err != nil {
			break // it has been disconnected
		}
	}
	nc.Flush()
	t.Logf("%d subscriptions of one member: the three brokers take %d MB, and %d MB after", asked, before, shared.brokers(t))
	until(t, "it is refused what is beyond the bound, or disconnected", func() bool { return nc.IsClosed() || refused.Load() >= asked-most })
	if _, err := shared.hosts[0].log.find(from, "maximum subscriptions exceeded", string(shared.hosts[3].id)); err != nil {
		t.Error(err)
	}
	shared.stats(t)
}
