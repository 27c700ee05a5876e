package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
	"fleet/node/mesh"
)

// What `fleet doctor` needs of a node that may run beside it, or cannot: nothing here writes to the data directory.

// Visit is what a broker showed to somebody who looked.
type Visit struct {
	Chain   identity.Chain // its certificate as shown, also where it does not hold; empty: none came
	RTT     time.Duration  // of one NATS ping; 0: it did not get that far
	Clock   time.Time      // of a peer, when it issued a certificate for this node, whole seconds; zero: it was not asked, or did
	Asked   time.Time      // by this host's clock, the middle of that question
	Renewal error          // why no certificate came
}

// Probe connects to a broker as this node, as the node itself would, and asks a peer for a certificate, which it throws
// away: by it the renewal is tried, and the peer's clock known. It blocks for at most 15 s. A broker that does not let this host in is
// mesh.ErrRefused.
func Probe(ctx context.Context, m Membership, roster identity.Roster, addr string) (Visit, error) {
	creds := identity.Credentials{Key: m.Key, Chain: m.Chain} // a probe signs no reply
	conf := identity.NodeTLS(m.Root, func() identity.Credentials { return creds }, func() identity.Roster { return roster })
	link, v, err := probe(ctx, conf, m.Key.Public().ID(), addr)
	if err != nil {
		return v, err
	}
	defer link.Close()
	v.Clock, v.Asked, v.Renewal = peerClock(ctx, link, m.Root, creds)
	return v, nil
}

// ProbeWithToken connects to a broker with a token, as a host that asks to be admitted would, and asks nothing.
func ProbeWithToken(ctx context.Context, token identity.Token, addr string) (Visit, error) {
	conf, err := identity.JoinTLS(token)
	if err != nil {
		return Visit{}, err
	}
	link, v, err := probe(ctx, conf, token.Record.ID(), addr)
	if err == nil {
		link.Close()
	}
	return v, err
}

// probe connects once and keeps what the broker showed, whether it holds or not.
func probe(ctx context.Context, conf *tls.Config, id identity.ID, addr string) (*mesh.Link, Visit, error) {
	var v Visit
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 2 {
			v.Chain = identity.Chain{Leaf: s.PeerCertificates[0].Raw, Issuing: s.PeerCertificates[1].Raw}
		}
		return verify(s)
	}
	link, err := mesh.Dial(addr, "doctor", id, conf, joinTimeout)
	if err != nil {
		return nil, v, err
	}
	if v.RTT, err = link.RTT(); err != nil {
		link.Close()
		return nil, v, err
	}
	return link, v, ctx.Err()
}

// peerClock asks for a renewal. The certificate that comes holds for NodeLife from the moment when it was issued.
func peerClock(ctx context.Context, link *mesh.Link, root identity.Anchor, creds identity.Credentials) (clock, asked time.Time, err error) {
	request, err := identity.SignRenewal(creds, time.Now())
	if err != nil {
		return clock, asked, err
	}
	ctx, cancel := context.WithTimeout(ctx, mesh.RequestTimeout)
	defer cancel()
	sent := time.Now()
	raw, err := link.Ask(ctx, job.RenewSubject(creds.Key.Public().ID()), request)
	if err != nil {
		return clock, asked, fmt.Errorf("no peer answers: %w", err)
	}
	asked = sent.Add(time.Since(sent) / 2)
	var answer renewal
	if err := wire.Unmarshal(raw, &answer); err != nil {
		return clock, asked, err
	}
	if answer.Refused != "" {
		return clock, asked, fmt.Errorf("refused: %s", answer.Refused)
	}
	leaf, err := x509.ParseCertificate(answer.Chain.Leaf)
	if err != nil {
		return clock, asked, err
	}
	// By this host's clock the certificate may not hold; that is what is to be found out. So it is judged by its own time.
	if _, err := identity.OpenChain(root, answer.Chain, leaf.NotAfter.Add(-identity.NodeLife)); err != nil {
		return clock, asked, err
	}
	return leaf.NotAfter.Add(-identity.NodeLife), asked, nil
}

// ReadRoster reads the roster, with all revocations, in a data directory that another process may hold.
func ReadRoster(dir string, root identity.Authority) (identity.Roster, error) {
	path := filepath.Join(dir, docsDir, identity.RosterKind+","+identity.RosterKind+".doc")
	raw, err := os.ReadFile(path)
	if err != nil {
		return identity.Roster{}, err
	}
	r, err := identity.OpenRoster(root, raw)
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, docsDir, identity.RevocationKind+",*.doc"))
	if err != nil {
		return r, err
	}
	var revocations []identity.Revocation
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return r, err
		}
		some, err := identity.OpenRevocations(root, raw)
		if err != nil {
			return r, fmt.Errorf("%s: %w", f, err)
		}
		revocations = append(revocations, some...)
	}
	return r.Revoking(revocations), nil
}

// MembersFile is where a node with this data directory keeps whom it knows, see gossip.ReadMembers.
func MembersFile(dir string) string { return filepath.Join(dir, mesh.MembersFile) }

// Held reports which process holds the data directory, "" for none. It blocks nobody for longer than it takes to look.
func Held(dir string) (process string, err error) {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if lock(f) == nil {
		return "", nil // let go of with the file
	}
	holder, err := os.ReadFile(f.Name())
	return strings.TrimSpace(string(holder)), err
}
