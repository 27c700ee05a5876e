// Package checkup looks at one host from the outside, for a host that cannot join or seems cut off: its directory, token and
// certificate, the way to brokers and to gossip, its own ports, its clock, its disk. Each check is told, with what to do next;
// what cannot be known is said to be skipped, and why. It changes nothing on the host and nothing in the fleet, needs no admin's
// key, and nothing that it says holds a secret.
package checkup
