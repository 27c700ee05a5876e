package job_test

import (
	"net/url"
	"testing"

	"fleet/job"
)

// What NATS reads from the URL is the address again.
func TestBrokerURL(t *testing.T) {
	for _, addr := range []string{"web1:7421", "10.0.0.5:7421", "[::1]:7421", "[fe80::1%eth0]:7421", "[::1%lo]:1"} {
		u, err := url.Parse(job.BrokerURL(addr))
		if err != nil || u.Host != addr || u.Scheme != "tls" {
			t.Errorf("%s becomes %v, %v", addr, u, err)
		}
	}
}
