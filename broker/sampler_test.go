package broker

import (
	"strings"
	"testing"
)

// It is the sampler's own variable: package pse has set it to this process's file.
func TestTheSamplersFile(t *testing.T) {
	if !strings.HasPrefix(sampled, "/proc/") {
		t.Errorf("nats-server's sampler does not read %q any more; look in its package pse what it does instead", sampled)
	}
}
