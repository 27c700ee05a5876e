package presence

import "time"

const (
	// maxHosts bounds all that a table knows, against a captured peer that invents hosts. Own connections are taken beyond
	// it: they have shown certificates. Hosts that are gone make room for living ones: evicted are a part of them at a time, those
	// gone for longest.
	maxHosts = 64_000
	evicted  = maxHosts / 64
	// maxPart is how many hosts one message names, some 100 bytes each.
	maxPart = 2_000
	// maxParts is how many messages make a whole.
	maxParts = 64
	// maxMessage bounds a message in bytes before it is decoded: maxPart hosts with the longest names.
	maxMessage = 720 << 10
	// maxTellers bounds the peers whose word is kept; some five run a broker.
	maxTellers = 64
	// maxFile bounds the file in bytes; JSON needs some 150 for a host.
	maxFile = 16 << 20
)

const (
	// beat is the longest time between two messages of a peer with a broker.
	beat = 2 * time.Second
	// deaf is after how long without one its broker is taken for gone, with all connections to it.
	deaf = 7 * time.Second
	// moving is how long a host whose connection ended may take to be on another broker before it has failed.
	moving = 5 * time.Second
	// storm is the same where the broker went, and all its hosts look for another at once.
	storm = 20 * time.Second
	// clocksApart is how far another peer's word on when a connection ended is believed.
	clocksApart = time.Minute
	// goodbye is how far apart a host's word that it leaves and the end of its connection may be noticed.
	goodbye = 10 * time.Second
	// wholeEvery is how often the whole is told unasked, in case something went wrong that the numbers do not show.
	wholeEvery = 10 * time.Minute
	// wholeAgain is the least time between two wholes, and between two questions for one.
	wholeAgain = time.Second
	// keepEphemeral and keepOthers are how long a host that is gone stays known, as in gossip.
	keepEphemeral = time.Hour
	keepOthers    = 72 * time.Hour
)
