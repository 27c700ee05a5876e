package job_test

import (
	"fmt"
	"testing"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

// What an admin's machine pays for a host's answer beside opening its seal: that of a host which this process hears for the first time, with
// a token of its own or one that all hosts share, and of one that it knows.
func BenchmarkOpenReply(b *testing.B) {
	w := newWorld(b)
	f := identitytest.Fleet{Root: w.root, Admin: w.admin, Issuer: w.issuer}
	h := job.HashOf(w.signed(b, nil))
	pong := func(c identity.Credentials) []byte {
		raw, err := job.Reply{Job: h, Kind: job.Result, State: job.OK, Data: map[string]any{"time": now.UnixMilli()}, Took: 400, Time: now.UnixMilli()}.Sign(c)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	const hosts = 256
	shared := f.Token(b, identity.Record{}, now)
	for name, host := range map[string]func(i int) identity.Credentials{
		"token per host": func(i int) identity.Credentials { return w.credentials(b, fmt.Sprintf("web%d", i), now) },
		"shared token": func(i int) identity.Credentials {
			key := identity.NewKey[identity.Node]()
			return identity.Credentials{Key: key, Statement: identitytest.Statement(b, shared, key, fmt.Sprintf("web%d", i), now)}
		},
	} {
		var replies [][]byte
		for i := range hosts {
			replies = append(replies, pong(host(i)))
		}
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s, known %v", name, known), func(b *testing.B) {
				b.ReportAllocs()
				v := identity.NewVerifier(w.root)
				if known {
					for _, raw := range replies {
						job.OpenReply(v, w.roster, h, raw)
					}
				}
				b.ResetTimer()
				for i := range b.N {
					if !known && i%hosts == 0 {
						v = identity.NewVerifier(w.root)
					}
					if _, err := job.OpenReply(v, w.roster, h, replies[i%hosts]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(replies[100])+48), "bytes/reply")
			})
		}
	}
}
