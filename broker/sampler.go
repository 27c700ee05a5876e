package broker

import _ "unsafe" // for go:linkname

// sampled is the file from which nats-server's package pse reads once a second, in every process that it is linked into, how much of a
// core it takes. Nothing here asks for that, it cannot be switched off, and it is a tenth of what wakes a member at rest. It ends by
// itself where the file cannot be read.
//
//go:linkname sampled github.com/nats-io/nats-server/v2/server/pse.procStatFile
var sampled string

// StopSampling ends nats-server's sampling of this process. Call it within a second after the process began, and once: the sampler
// reads what this changes. Where another version of nats-server has no such variable it does nothing.
func StopSampling() { sampled = "" }
