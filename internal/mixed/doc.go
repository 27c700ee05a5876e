// Package mixed tests fleets whose hosts and admins run different releases: real binaries, which differ in the version of
// the protocol that they add (job/newest.go), as real processes on loopback.
package mixed
