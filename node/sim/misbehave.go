package sim

import (
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/gate"
)

// What hosts do that a node never does; so none of this is the runner's.

// misbehave does what a host must not, once for each job; copies of the job it ignores.
func (h *host) misbehave(signed []byte) {
	d := h.gate.Judge(h.w.acting, signed)
	defer d.Passed.Leave()
	if d.Verdict == gate.Drop || !d.Claim.First {
		return
	}
	switch h.nature {
	case lying:
		h.w.did(d.Job.ID, h.name, Lied)
		h.lie(d)
	case leaving:
		h.w.did(d.Job.ID, h.name, Went)
		h.close()
	default:
		h.w.did(d.Job.ID, h.name, Ignored)
	}
}

// lie sends a reply that looks good and must not be believed. Hosts differ in how they lie, by their number.
func (h *host) lie(d gate.Decision) {
	good := job.Reply{Protocol: d.Job.Protocol, Kind: job.Result, State: job.OK, Job: d.Hash, Message: "all is well", Time: time.Now().UnixMilli()}
	sealTo, creds := d.Job, h.creds
	switch h.number % 5 {
	case 0: // a signature that does not hold: see below
	case 1: // an answer to another job
		good.Job = job.HashOf([]byte("another job"))
	case 2: // in another host's name, with its statement
		creds.Statement = h.w.hosts[h.number%len(h.w.hosts)].creds.Statement
		if len(h.w.hosts) == 1 {
			creds.Statement = h.w.foreign
		}
	case 3: // with a statement of another fleet
		creds.Statement = h.w.foreign
	default: // sealed to somebody else
		sealTo.SealTo = identity.NewSealKey().Public()
	}
	signed, err := good.Sign(creds)
	if err == nil {
		if h.number%5 == 0 {
			signed[0] ^= 1
		}
		signed, err = job.SealReply(sealTo, d.Hash, signed)
	}
	if err == nil {
		err = h.connection().Publish(job.ReplySubject(h.self.ID, d.Signer.Key.ID(), d.Job.ID), signed)
	}
	if err != nil && h.w.acting.Err() == nil {
		h.w.config.Log.Warn("a simulated host could not lie", logkey.Host, h.name, logkey.Error, err)
	}
}
