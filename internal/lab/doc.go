// Package lab runs real Debian hosts on this machine, for tests and for people (scripts/lab).
//
// A lab is N Docker containers with systemd as pid 1 on one private network without a way out: web1 to webN, each
// with nginx, an openssl that has a newer version waiting, a custom fact hagroup (a, b or c by the host's number) and,
// where a binary is given, fleet at /usr/local/bin/fleet. The image is made by debootstrap (scripts/lab.d/image),
// tagged by a hash of what it is made from, and kept; everything a host may install lies in the image, so nothing here
// needs the network once the image is built. A host may instead boot with user data through Debian's cloud-init.
//
// The state of a lab is Docker's alone: containers and network carry the label fleet.lab=NAME, so any process can open
// a lab by its name, several labs stand side by side, and Down removes what has the label and nothing else. Docker is
// driven by argv; a call blocks until Docker has answered or its context has ended.
//
// Trouble comes in the kinds that hosts know: Kill is the power cord, Stop a shutdown, Restart a reboot, Pause a
// machine that hangs with its connections open, Cut a network that silently drops packets, Lose one that drops some, Delay
// one that is slow (labdelay stands in for the kernel's netem). A cut is made of packet-filter rules inside the host, so it
// ends by Heal or with a restart of the host.
//
// Tests use the package labtest, which fails the test where this package returns an error. A container is not a
// virtual machine: it shares this machine's kernel, clock, processors and memory, and facts about those are the same
// on every host.
package lab
