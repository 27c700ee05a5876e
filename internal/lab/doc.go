// Package lab runs real Debian hosts on this machine, for tests and for people (scripts/lab).
//
// A lab is N Docker containers with systemd as pid 1 on one private network without a way out: web1 to webN. Each has
// nginx, an openssl with a newer version available, a custom fact hagroup (a, b or c by the host's number) and, if a
// binary is given, fleet at /usr/local/bin/fleet. The image is made by debootstrap (scripts/lab.d/image), tagged with a
// hash of its inputs, and kept. Everything that a host may install is in the image, so nothing here needs the network
// once the image is built. A host may instead boot with user data through Debian's cloud-init.
//
// Docker holds all state of a lab: containers and network have the label fleet.lab=NAME. So any process can open a lab
// by its name, several labs can exist side by side, and Down removes what has the label and nothing else. Docker is
// called by argv; a call blocks until Docker has answered or its context has ended.
//
// The lab can cause the kinds of trouble that hosts have: Kill is a power failure, Stop a shutdown, Restart a reboot,
// Pause a machine that hangs with its connections open, Cut a network that silently drops packets, Lose one that drops
// some, Delay a slow one (labdelay replaces the kernel's netem). A cut consists of packet-filter rules inside the host,
// so it ends with Heal or with a restart of the host.
//
// Tests use the package labtest, which fails the test where this package returns an error. A container is not a
// virtual machine: it shares this machine's kernel, clock, processors and memory, and facts about those are the same
// on every host.
package lab
