package node

import (
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
	for retry := time.Second; ; retry = min(2*retry, 30*time.Second) {
		var errs []error
		for _, seed := range token.Seeds {
			m, documents, err := joinAt(ctx, seed, token, key, seal, name)
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

func joinAt(ctx context.Context, seed string, token identity.Token, key identity.PrivateKey[identity.Node], seal identity.SealKey, name string) (Membership, [][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	tls, err := identity.JoinTLS(token)
	if err != nil {
		return Membership{}, nil, err
	}
	link, err := mesh.Dial(seed, "joining", token.Record.ID(), tls, joinTimeout)
	if errors.Is(err, mesh.ErrRefused) {
		return Membership{}, nil, fmt.Errorf("%w: the broker does not accept this token: no admin of this fleet signed it, or it may not be used from this host's network; ask an admin for a new one (fleet token create)", identity.ErrRefused)
	}
	if err != nil {
		return Membership{}, nil, err
	}
	defer link.Close()
	joiner, err := identity.NewJoiner(token, key, seal, name, time.Now())
	if err != nil {
		return Membership{}, nil, err
	}
	answer, err := link.Ask(ctx, job.JoinSubject(token.Record.ID()), joiner.Request)
	if err != nil {
		return Membership{}, nil, fmt.Errorf("the broker is there, but no peer answers: %w", err)
	}
	a, err := joiner.Open(answer)
	if err != nil {
		return Membership{}, nil, err
	}
	return accept(a, token, key, seal, name)
}

// accept checks an admission against the pinned root before anything of it is kept.
func accept(a identity.Admission, token identity.Token, key identity.PrivateKey[identity.Node], seal identity.SealKey, name string) (Membership, [][]byte, error) {
	now := time.Now()
	me, err := identity.VerifyChain(token.Root, a.Chain, now)
	if err != nil {
		return Membership{}, nil, fmt.Errorf("the certificate that came: %w", err)
	}
	own := identity.NodeIdentity{
		Fleet: token.Root.ID(), ID: key.Public().ID(), Name: name, Role: token.Record.Role, Labels: token.Record.Labels, Seal: seal.Public(),
	}
	if err := me.Matches(own); err != nil {
		return Membership{}, nil, fmt.Errorf("the received certificate is for %w; the peer that issued it may be compromised", err)
	}
	if len(a.Documents) == 0 {
		return Membership{}, nil, errors.New("no roster came")
	}
	if _, err := identity.OpenRoster(token.Root, a.Documents[0]); err != nil {
		return Membership{}, nil, err
	}
	if len(a.GossipKey) != 32 {
		return Membership{}, nil, errors.New("no gossip key came")
	}
	m := Membership{Root: token.Root, Key: key, Seal: seal, Chain: a.Chain, GossipKeys: [][]byte{a.GossipKey}, Admitted: now, Seeds: a.Gossip, Brokers: a.Brokers}
	if me.Role == identity.Peer {
		if m.Issuing, err = identity.ParseSecret[identity.Issuing](string(a.Issuing)); err != nil {
			return Membership{}, nil, fmt.Errorf("the issuing key that came: %w", err)
		}
	}
	return m, a.Documents, nil
}
