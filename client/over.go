package client

import (
	"github.com/nats-io/nats.go"
)

// Over is Connect on a connection that stands already, as where client and hosts are in one process: it neither dials nor
// looks who is at the other end. Replies are verified as ever. c.Brokers is not used; Close closes the connection.
func Over(nc *nats.Conn, c Config) (*Client, error) {
	me, err := known(c)
	if err != nil {
		return nil, err
	}
	me.conn = nc
	return me, nil
}
