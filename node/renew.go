package node

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
	"fleet/internal/wire"
	"fleet/job"
)

// renewCheck is how often a node looks whether its certificate is due. It asks the wall clock each time, so that a
// machine that slept notices within this time of waking.
const renewCheck = time.Minute

// renewAgain is how soon it is tried again after the issuing key was replaced.
const renewAgain = time.Second

// renewLoop keeps this node's certificate fresh: from two thirds of its life on it asks until it gets a new one.
func (n *Node) renewLoop(ctx context.Context) {
	tick := time.NewTicker(renewCheck)
	defer tick.Stop()
	beat := heartbeat{&n.heartbeats, loopRenew}
	defer beat.End()
	var again <-chan time.Time
	for {
		beat.Beat()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.keys.renew:
		case <-again:
		}
		again = nil
		if !n.outdated() && !renewalDue(n.creds.Load().Chain.Leaf, time.Now()) {
			continue
		}
		if err := n.renew(ctx); err != nil {
			if n.outdated() { // the peers get their new key at the same time as this node its news
				again = time.After(renewAgain)
			}
			n.log.Warn("certificate not renewed yet", logkey.Expires, n.self.Load().NotAfter, logkey.Error, err)
		}
	}
}

// renewalDue reports whether two thirds of a certificate's time have passed.
func renewalDue(leaf []byte, now time.Time) bool {
	cert, err := x509.ParseCertificate(leaf)
	return err != nil || now.After(cert.NotAfter.Add(-identity.NodeLife/3))
}

func (n *Node) renew(ctx context.Context) error {
	old := *n.creds.Load()
	request, err := identity.SignRenewal(old, time.Now())
	if err != nil {
		return err
	}
	var raw []byte
	if n.issuer().Key.IsZero() {
		raw, err = n.mesh.Request(ctx, job.RenewSubject(n.identity().ID), request)
	} else {
		raw = n.renewFor(request)
	}
	if err != nil {
		return err
	}
	var answer renewal
	if err := wire.Unmarshal(raw, &answer); err != nil {
		return err
	}
	if answer.Refused != "" {
		return fmt.Errorf("refused: %s", answer.Refused)
	}
	return n.useChain(answer.Chain)
}

// renewal answers a RenewRequest. A certificate is no secret, so it is not sealed.
type renewal struct {
	Refused string         `cbor:"1,keyasint,omitempty"`
	Chain   identity.Chain `cbor:"2,keyasint"`
}

// renewFor answers another node's request, or this peer's own.
func (n *Node) renewFor(raw []byte) []byte {
	now := time.Now()
	statement, old, err := identity.OpenRenewal(n.me.Root, raw, now)
	var who identity.Certified
	if err == nil {
		who, err = n.mayRenew(old)
	}
	issuer := n.issuer()
	if err == nil && issuer.Key.IsZero() {
		err = errNoIssuer
	}
	var answer renewal
	if err == nil {
		answer.Chain, err = issuer.Issue(statement, now)
	}
	if err != nil {
		n.log.Warn("renewal refused", logkey.Name, who.Name, logkey.Error, err)
		answer = renewal{Refused: err.Error()}
	}
	out, err := wire.Marshal(answer)
	if err != nil {
		n.log.Error("cannot send a renewed certificate", logkey.Error, err)
	}
	return out
}

// useChain verifies a new chain of this node and makes it the one in force, also after a restart.
func (n *Node) useChain(chain identity.Chain) error {
	now := time.Now()
	renewed, err := identity.OpenChain(n.me.Root, chain, now)
	if err != nil {
		return err
	}
	creds, err := identity.NewCredentials(n.me.Key, chain)
	if err != nil {
		return err
	}
	if !bytes.Equal(creds.Statement, n.creds.Load().Statement) {
		return errors.New("the renewed certificate is not for this host's statement; the peer that issued it may be compromised")
	}
	id, own := renewed.Own(), n.self.Load()
	if id.NotAfter.Before(own.NotAfter) {
		return fmt.Errorf("the renewed certificate ends on %s, before the one it replaces", id.NotAfter.UTC().Format(time.RFC3339))
	}
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	before := n.self.Load().Issuer
	m := n.keys.disk
	m.Chain = chain
	if err := n.config.Dir.saveNode(m); err != nil {
		return err
	}
	if issuer := n.issuer(); !issuer.Key.IsZero() && issuer.Key.Public().ID() == id.Issuer && (m.Issuing.IsZero() || !issuer.Key.Public().Equal(m.Issuing.Public())) {
		if err := atomicfile.Write(n.config.Dir.file(issuingFile), []byte(issuer.Key.Secret()+"\n"), 0o600); err != nil {
			return fmt.Errorf("keep the issuing key: %w", err)
		}
		m.Issuing = issuer.Key
	}
	n.keys.disk = m
	n.creds.Store(&creds)
	n.self.Store(&id)
	n.log.Info("certificate renewed", logkey.Expires, id.NotAfter)
	if id.Issuer != before {
		n.mesh.Reconnect() // brokers will not accept the certificate that this connection was made with for long
	}
	return nil
}
