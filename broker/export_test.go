package broker

// AskedFor is how many routes nats-server counts as asked for by this broker.
func AskedFor(b *Broker) (n int) {
	z, err := b.server.Routez(nil)
	if err != nil {
		return 0
	}
	for _, r := range z.Routes {
		if r.DidSolicit {
			n++
		}
	}
	return n
}
