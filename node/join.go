package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/node/mesh"
)

// joinTimeout bounds one attempt at one seed.
const joinTimeout = 10 * time.Second

// Join makes this host a node: it verifies a broker at one of the token's seeds against the pinned root, proves the
// token and gets its certificate, the gossip key and the roster. It tries the seeds in turn until one admits it, one
// refuses it (identity.ErrRefused), or ctx ends; between rounds it waits, longer each time, since the first peer of a
// fleet may boot after its members.
func Join(ctx context.Context, dir *DataDir, token identity.Token, name string, log *slog.Logger) (Membership, error) {
	if now := time.Now(); !now.Before(token.Record.Expires) {
		return Membership{}, fmt.Errorf("%w: token expired on %s, and here it is %s; ask an admin for a new one (fleet token create), or set this host's clock",
			identity.ErrRefused, token.Record.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	key, err := dir.nodeKey()
	if err != nil {
		return Membership{}, err
	}
	seal := identity.NewSealKey()
	statement, err := identity.NewStatement(token, key.Public(), seal.Public(), name, time.Now())
	if err != nil {
		return Membership{}, err
	}
	me := joining{token: token, key: key, seal: seal, statement: statement}
	if was, err := dir.Load(); err == nil { // admitted again; the token may know of a root that its own did not sign
		me.least = was.Authority.Version()
	}
	for retry := time.Second; ; retry = min(2*retry, 30*time.Second) {
		var errs []error
		for _, seed := range token.Seeds {
			m, documents, err := me.at(ctx, seed)
			if err == nil {
				log.Info("admitted to the fleet", logkey.Name, name, logkey.Node, key.Public().ID(), logkey.Broker, seed)
				return m, dir.Save(m, documents)
			}
			if errors.Is(err, identity.ErrRefused) {
				return Membership{}, err
			}
			errs = append(errs, fmt.Errorf("%s: %w", seed, err))
		}
		err := errors.Join(errs...)
		if errors.Is(err, identity.ErrOtherFleet) {
			return Membership{}, fmt.Errorf("not admitted: %w; check that the token is for this fleet", err)
		}
		log.Warn("no broker admitted this host yet", logkey.Error, err, logkey.Retry, retry)
		if wait.For(ctx, retry) != nil {
			return Membership{}, fmt.Errorf("not admitted: %w; is a peer running there, and its broker port open to this host?", err)
		}
	}
}

// joining is a host on its way in.
type joining struct {
	token     identity.Token
	key       identity.PrivateKey[identity.Node]
	seal      identity.SealKey
	statement []byte // of who it is; it will be so for good
	least     uint64 // version of the root that it goes by already; 0: none
}

// at asks the broker at an address.
func (j joining) at(ctx context.Context, seed string) (Membership, [][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	conf, err := identity.JoinTLS(j.token)
	if err != nil {
		return Membership{}, nil, err
	}
	broker := identity.Shown(conf)
	link, err := mesh.Dial(seed, "joining", j.token.Record.ID(), conf, joinTimeout)
	if errors.Is(err, mesh.ErrRefused) {
		return Membership{}, nil, fmt.Errorf("%w: the broker does not accept this token: it has expired or was revoked, no admin of this fleet signed it, or it may not be used from this host's network; ask an admin for a new one (fleet token create)", identity.ErrRefused)
	}
	if err != nil {
		return Membership{}, nil, err
	}
	defer link.Close()
	known, err := j.rules(ctx, link, broker())
	if err != nil {
		return Membership{}, nil, err
	}
	joiner, err := identity.NewJoiner(j.statement, j.key, time.Now())
	if err != nil {
		return Membership{}, nil, err
	}
	answer, err := link.Ask(ctx, job.JoinSubject(j.token.Record.ID()), joiner.Request)
	if err != nil {
		return Membership{}, nil, fmt.Errorf("the broker is there, but no peer answers: %w", err)
	}
	a, err := joiner.Open(answer)
	if err != nil {
		return Membership{}, nil, err
	}
	m, err := j.accept(a, known)
	return m, known.documents, err
}

// rules are what a new host learns before it says who it is.
type rules struct {
	root      identity.Authority
	roster    identity.Roster
	documents [][]byte // the roster and revocations, signed
}

// rules asks for the root, the roster and revocations, and verifies them.
func (j joining) rules(ctx context.Context, link *mesh.Link, broker identity.Chain) (r rules, err error) {
	query, err := job.DocumentQuery{Documents: []job.WantedDocument{
		{Kind: identity.RootKind, Name: identity.RootKind}, {Kind: identity.RosterKind, Name: identity.RosterKind}, {Kind: identity.RevocationKind},
	}}.Encode()
	if err != nil {
		return r, err
	}
	raw, err := link.Ask(ctx, job.DocGetSubject, query)
	if err != nil {
		return r, fmt.Errorf("the broker is there, but no peer answers: %w", err)
	}
	answer, err := job.DecodeDocuments(raw) // where not all revocations fit, the others are fetched later
	if err != nil {
		return r, err
	}
	return j.verify(answer.Documents, broker)
}

// verify goes by the token: the root must be the one that it pins or a later one, the roster no older than the admin's was who made
// the token, and it must admit the broker that it came from.
func (j joining) verify(documents [][]byte, broker identity.Chain) (r rules, err error) {
	if len(documents) < 2 {
		return r, errors.New("no roster came")
	}
	r.documents = documents[1:]
	if r.root, err = identity.OpenRoot(j.token.Root, documents[0]); err != nil {
		return r, err
	}
	if r.root.Version() < j.least {
		return r, compromised("the root that came is version %d, and this host has seen version %d", r.root.Version(), j.least)
	}
	if r.roster, err = identity.OpenRoster(r.root, r.documents[0]); err != nil {
		return r, err
	}
	revocations, err := identity.OpenRevocations(r.root, r.documents[1:]...)
	if err != nil {
		return r, err
	}
	r.roster = r.roster.Revoking(revocations)
	if least := j.token.Record.Roster; r.roster.Version < least {
		return r, compromised("the roster that came is version %d, and the token's admin knew version %d", r.roster.Version, least)
	}
	if err := r.roster.AdmitsPeer(j.token.Root, broker); err != nil {
		return r, compromised("the broker's certificate: %w", err)
	}
	return r, nil
}

func compromised(format string, args ...any) error {
	return fmt.Errorf(format+"; the peer that answered may be compromised", args...)
}

// accept checks an admission before anything of it is kept: the roster must admit this host by the certificate that came.
func (j joining) accept(a identity.Admission, known rules) (Membership, error) {
	now, token := time.Now(), j.token
	certificate, err := identity.OpenChain(token.Root, a.Chain, now)
	if err == nil {
		_, err = known.roster.Admit(certificate)
	}
	if err != nil {
		return Membership{}, compromised("the certificate that came: %w", err)
	}
	if got, err := identity.StatementOf(a.Chain); err != nil || !bytes.Equal(got, j.statement) {
		return Membership{}, compromised("the certificate that came is not for this host's statement")
	}
	if len(a.GossipKey) != 32 {
		return Membership{}, errors.New("no gossip key came")
	}
	m := Membership{
		Root: known.root.Anchor(), Authority: known.root, Key: j.key, Seal: j.seal, Chain: a.Chain,
		GossipKeys: [][]byte{a.GossipKey}, Admitted: now, Seeds: a.Gossip, Brokers: a.Brokers,
	}
	if token.Record.Role == identity.Peer {
		if m.Issuing, err = identity.ParseSecret[identity.Issuing](string(a.Issuing)); err != nil {
			return Membership{}, fmt.Errorf("the issuing key that came: %w", err)
		}
	}
	return m, nil
}
