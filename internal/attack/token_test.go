package attack

import (
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
)

// signedBy is a token by another admin's key than the fleet's first one.
func (m *mesh) signedBy(t *testing.T, admin identity.Signer, role identity.Role, labels map[string]string) identity.Token {
	t.Helper()
	token, err := identity.NewToken(m.root.Anchor(), admin, identity.Record{Role: role, Labels: labels,
		Created: time.Now(), Expires: time.Now().Add(time.Hour)}, []string{m.hosts[0].broker})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// An admin who may do all to hosts with env=dev signs himself tokens: for a peer, for a peer with that label, for a host of
// production, and for one without a label that would say what it is. No peer admits them, whoever delivers the request.
func TestAnAdminLimitedToSomeHostsSignsOtherTokens(t *testing.T) {
	shared.amend(t, func(r *identity.Roster) {
		r.Roles = append(r.Roles, identity.RoleEntry{Name: "dev", Rules: []identity.Rule{{Action: "*.*", Hosts: "env=dev"}}})
	})
	bob := shared.hire(t, "bobofdev", "dev")
	dev, prod := map[string]string{"env": "dev"}, map[string]string{"env": "prod"}
	for _, tt := range []struct {
		name   string
		role   identity.Role
		labels map[string]string
	}{
		{"web60", identity.Peer, nil}, {"web61", identity.Peer, dev}, {"web62", identity.Member, prod}, {"web63", identity.Ephemeral, prod}, {"web64", identity.Member, nil},
	} {
		t.Run(string(tt.role)+tt.labels["env"], func(t *testing.T) {
			token := shared.signedBy(t, bob, tt.role, tt.labels)
			reason := "bobofdev may not create this token: no role of bobofdev allows token." + string(tt.role)
			shared.notAdmitted(t, token, tt.name, reason)
			key := identity.NewKey[identity.Node]()
			_, err := joinOver(t, shared.captured.Conn, token, tt.name, key)
			shared.refusedToAdmit(t, err, token, tt.name, key, reason)
		})
	}
	if _, err := shared.join(t, shared.signedBy(t, bob, identity.Member, dev), "web65", identity.NewKey[identity.Node]()); err != nil {
		t.Errorf("a token that he may create: %v", err)
	}
}

// renews asks for a fresh certificate past the door, and returns why there is none, "" if there is one.
func (m *mesh) renews(t *testing.T, c identity.Credentials) (refused string) {
	t.Helper()
	request, err := identity.SignRenewal(c, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var answer *nats.Msg
	until(t, "a peer answers", func() bool { // a question or an answer may get lost while routes are formed anew, after a revocation
		answer, err = m.captured.Conn.Request(job.RenewSubject(c.Key.Public().ID()), request, refusedIn)
		return err == nil
	})
	var said struct {
		Refused string         `cbor:"1,keyasint,omitempty"`
		Chain   identity.Chain `cbor:"2,keyasint"`
	}
	if err := wire.Unmarshal(answer.Data, &said); err != nil || said.Refused == "" && len(said.Chain.Leaf) == 0 {
		t.Fatalf("%+v, %v", said, err)
	}
	return said.Refused
}

// A token was stolen, and hosts came with it, of which nobody has a list. One entry ends them all: their connections, their
// certificates and their answers, and those that come later.
func TestHostsOfAStolenToken(t *testing.T) {
	token := shared.newToken(t, identity.Record{Role: identity.Peer})
	var hosts []identity.Credentials
	var conns []*nats.Conn
	for _, name := range []string{"web70", "web71"} {
		key := identity.NewKey[identity.Node]()
		admission, err := shared.join(t, token, name, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := identity.NewCredentials(key, admission.Chain)
		if err != nil {
			t.Fatal(err)
		}
		if refused := shared.renews(t, c); refused != "" {
			t.Fatalf("before the token is revoked: %s", refused)
		}
		hosts, conns = append(hosts, c), append(conns, shared.dialAs(t, c))
	}
	shared.revoke(t, identity.RevokeToken(token.Record.ID(), token.Record.Expires))
	for i, c := range hosts {
		if refused := shared.renews(t, c); refused != "" || conns[i].Flush() != nil {
			t.Errorf("the token alone is revoked, and its hosts are cut off: %q", refused)
		}
	}
	shared.revoke(t, identity.RevokeTokenHosts(token.Record.ID(), time.Now()))
	const why = "was revoked with all its hosts"
	for i, c := range hosts {
		until(t, "its connection is closed", conns[i].IsClosed)
		if refused := shared.renews(t, c); !strings.Contains(refused, why) {
			t.Errorf("a peer renews its certificate, or says %q", refused)
		}
		shared.keptOut(t, shared.nodeTLS(c))
	}
	shared.keptOut(t, joinTLS(t, token))
	if _, err := shared.join(t, token, "web72", identity.NewKey[identity.Node]()); !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), why) {
		t.Errorf("another host joins with it, or a peer says %v", err)
	}

	var once sync.Once
	heard, err := shared.captured.Conn.Subscribe(job.AllSubject, func(m *nats.Msg) {
		once.Do(func() {
			j, hash := overheard(t, m.Data)
			for _, c := range hosts {
				raw, err := (job.Reply{Job: hash, Kind: job.Result, State: job.OK, Message: "all is well", Time: time.Now().UnixMilli()}).Sign(c)
				sealed, err2 := job.SealReply(j, hash, raw)
				if err := errors.Join(err, err2, shared.captured.Conn.Publish(job.ReplySubject(c.Key.Public().ID(), j.Signer.ID(), j.ID), sealed)); err != nil {
					t.Error(err)
				}
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Unsubscribe()
	shared.known(t)
	web4, already, freed := shared.hosts[3], shared.clientLog.count(refusal, why), make(chan struct{})
	if err := web4.cmd.Process.Signal(syscall.SIGSTOP); err != nil { // so that the run waits for the lies
		t.Fatal(err)
	}
	go func() {
		defer close(freed)
		defer web4.cmd.Process.Signal(syscall.SIGCONT)
		if err := shared.clientLog.reach(already+len(hosts), refusal, why); err != nil {
			t.Error(err)
		}
	}()
	r, err := shared.client.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	<-freed
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Outcomes {
		if o.Message == "all is well" || o.State != job.OK {
			t.Errorf("%s: %s %q", o.Name, o.State, o.Message)
		}
	}
	if len(r.Outcomes) != len(shared.hosts) {
		t.Errorf("%d hosts are expected or answered", len(r.Outcomes))
	}
	shared.stats(t)
}
