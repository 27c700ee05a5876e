// Package mixed tests fleets whose hosts and admins run different releases: real binaries, which differ in the newest
// protocol version that they define (job/newest.go), as real processes on loopback.
package mixed
