// Package broker is the embedded NATS server that some peers run, and the only code that talks to nats-server.
//
// It decides four things. Who may connect: TLS 1.3 with a client certificate always, judged by identity.Authenticate.
// What each principal may do: permissions.go, the whole table on one screen. Which peers run a broker: role.go, a pure
// function of which peers are alive. What each may take of the broker's memory and time: bounds.go, which guests.go and
// look.go enforce. A broker is trusted with delivery only. The messages it forwards are signed by others, so an attacker
// who controls a broker can lose messages but not create, change, widen or replay them.
//
// Settings that are not obvious are explained where they are set; most were found under load
// (docs/adr/0002-embedded-nats.md).
package broker
