// Package broker is the embedded NATS server that some peers carry, and all that fleet says to it.
//
// It decides three things and nothing else. Who may connect: TLS 1.3 with a client certificate always, judged by
// identity.Authenticate. What each may do: permissions.go, the whole table on one screen. Which peers carry a broker:
// role.go, a pure function of who is alive. A broker is trusted with delivery only: what it carries is signed by
// others, so that one who takes it can lose messages but not make, change, widen or replay them.
//
// Only this package sees nats-server. The settings that are not obvious are explained where they stand; most were found
// by load (docs/adr/0002-embedded-nats.md).
package broker
