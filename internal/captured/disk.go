package captured

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
	"fleet/node"
)

// Disk is what a node's data directory tells whoever is root on its host.
type Disk struct {
	node.Membership
	Credentials identity.Credentials
	Documents   [][]byte // signed; the root and the roster first
}

// Open reads a data directory, whether its node runs or not.
func Open(dir string) (Disk, error) {
	m, err := node.ReadMembership(dir)
	if err != nil {
		return Disk{}, err
	}
	c, err := identity.NewCredentials(m.Key, m.Chain)
	if err != nil {
		return Disk{}, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "documents", "*.doc"))
	if err != nil {
		return Disk{}, err
	}
	d := Disk{Membership: m, Credentials: c, Documents: [][]byte{m.Authority.Raw(), nil}}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return Disk{}, err
		}
		switch filepath.Base(f) {
		case identity.RosterKind + "," + identity.RosterKind + ".doc":
			d.Documents[1] = raw
		case identity.RootKind + "," + identity.RootKind + ".doc":
		default:
			d.Documents = append(d.Documents, raw)
		}
	}
	if d.Documents[1] == nil {
		return Disk{}, fmt.Errorf("%s has no roster", dir)
	}
	return d, nil
}

// ID is the node's.
func (d Disk) ID() identity.ID { return d.Key.Public().ID() }

// Issuer is what a peer makes certificates with; zero on a member's disk.
func (d Disk) Issuer() identity.Issuer {
	return identity.Issuer{Key: d.Issuing, Certificate: d.Chain.Issuing}
}

// Overheard reads a job as whoever carries it can: jobs are signed, not sealed.
func Overheard(signed []byte) (job.Job, job.Hash, error) {
	_, message, err := identity.Split(signed)
	var j job.Job
	if err == nil {
		err = wire.Unmarshal(message, &j)
	}
	return j, job.HashOf(signed), err
}

// Answer says something to a job as the host with these credentials, on the subject of the node called as: signed, and sealed to the
// asker.
func (b *Broker) Answer(j job.Job, h job.Hash, as identity.ID, c identity.Credentials, r job.Reply) error {
	raw, err := r.Sign(c)
	if err != nil {
		return err
	}
	sealed, err := job.SealReply(j, h, raw)
	return errors.Join(err, b.Conn.Publish(job.ReplySubject(as, j.Signer.ID(), j.ID), sealed))
}
