package job

import "strings"

// BrokerURL is the URL of the broker at HOST:PORT, as NATS takes it. The zone of a link-local address, [fe80::1%eth0]:7421, is
// escaped as a URL needs it (RFC 6874).
func BrokerURL(addr string) string { return "tls://" + strings.ReplaceAll(addr, "%", "%25") }
