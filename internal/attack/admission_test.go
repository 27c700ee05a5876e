package attack

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/internal/wire"
	"fleet/job"
)

// join asks to be admitted with a token over a connection that the token opens, as fleet's own host would, and returns
// what the fleet says.
func (m *mesh) join(t *testing.T, token identity.Token, name string, key identity.PrivateKey[identity.Node]) (identity.Admission, error) {
	t.Helper()
	nc, err := m.dial(joinTLS(t, token), nats.CustomInboxPrefix(job.Inbox(token.Record.ID())))
	if err != nil { // a peer hears of it only if a captured broker lets it in
		nc = m.captured.Conn
	} else {
		defer nc.Close()
	}
	return joinOver(t, nc, token, name, key)
}

// joinOver asks over a connection of whoever's.
func joinOver(t *testing.T, nc *nats.Conn, token identity.Token, name string, key identity.PrivateKey[identity.Node]) (identity.Admission, error) {
	t.Helper()
	j, err := identity.NewJoiner(identitytest.Statement(t, token, key, name, time.Now()), key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := nc.Request(job.JoinSubject(token.Record.ID()), j.Request, refusedIn)
	if err != nil {
		return identity.Admission{}, err
	}
	return j.Open(answer.Data)
}

func joinTLS(t *testing.T, token identity.Token) *tls.Config {
	t.Helper()
	c, err := identity.JoinTLS(token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (m *mesh) newToken(t *testing.T, r identity.Record) identity.Token {
	t.Helper()
	token, err := m.token(r)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// notAdmitted shows that a peer refuses the token, for a reason that has this part, and logs and audits it.
func (m *mesh) notAdmitted(t *testing.T, token identity.Token, name, reason string) {
	t.Helper()
	key := identity.NewKey[identity.Node]()
	_, err := m.join(t, token, name, key)
	m.refusedToAdmit(t, err, token, name, key, reason)
}

// refusedToAdmit shows that err says so, and that a peer logged and audited it.
func (m *mesh) refusedToAdmit(t *testing.T, err error, token identity.Token, name string, key identity.PrivateKey[identity.Node], reason string) {
	t.Helper()
	if !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the fleet says: %v", err)
	}
	until(t, "a peer logs the refusal", func() bool {
		for _, h := range m.hosts[:3] { // any of them may have answered
			if h.log.count(`msg="admission refused"`, string(key.Public().ID()), string(token.Record.ID()), reason) == 1 &&
				hasAll(h.audit(t), []string{`"event":"admission","signer":"` + name + `","key":"` + string(key.Public().ID()) + `","decision":"refuse"`}) {
				return true
			}
		}
		return false
	})
	m.stats(t)
}

func TestTokenReuseAfterExpiry(t *testing.T) {
	old := shared.newToken(t, identity.Record{Created: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	shared.keptOut(t, joinTLS(t, old))
	shared.notAdmitted(t, old, "web90", "token expired")
}

func TestTokenReuseAfterRevocation(t *testing.T) {
	token := shared.newToken(t, identity.Record{})
	if _, err := shared.join(t, token, "web91", identity.NewKey[identity.Node]()); err != nil {
		t.Fatalf("before it is revoked: %v", err)
	}
	shared.revoke(t, identity.RevokeToken(token.Record.ID(), token.Record.Expires))
	shared.keptOut(t, joinTLS(t, token))
	shared.notAdmitted(t, token, "web91", "token was revoked")
}

func TestNameTakeoverWhileTheHolderLives(t *testing.T) {
	token := shared.newToken(t, identity.Record{})
	for _, name := range []string{"web4", "WEB4", "web1"} {
		shared.notAdmitted(t, token, name, "belongs to another living host")
	}
}

func TestTokenOfSomebodyWhoIsNoAdmin(t *testing.T) {
	good := shared.newToken(t, identity.Record{})
	forged, err := identity.NewToken(shared.root.Anchor(), identity.NewKey[identity.Admin](), identity.Record{Role: identity.Peer,
		Created: time.Now(), Expires: time.Now().Add(time.Hour)}, good.Seeds)
	if err != nil {
		t.Fatal(err)
	}
	shared.keptOut(t, joinTLS(t, forged))
}

// A request that was overheard is sent again by somebody else: the answer is sealed to who made the request, and the
// certificate in it is for the key that made it. A request whose contents were exchanged does not hold.
func TestTokenReplayFromACapture(t *testing.T) {
	token := shared.newToken(t, identity.Record{Role: identity.Peer}) // its answer has the issuing key in it
	tap := shared.hear(t, job.JoinSubject(token.Record.ID()))
	admission, err := shared.join(t, token, "web92", identity.NewKey[identity.Node]())
	if err != nil || len(admission.Issuing) == 0 {
		t.Fatalf("the honest host: %v", err)
	}
	captured, err := tap.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	tap.Unsubscribe()
	t.Run("as it was", func(t *testing.T) {
		answer, err := shared.captured.Conn.Request(job.JoinSubject(token.Record.ID()), captured.Data, refusedIn)
		if err != nil {
			t.Fatal(err)
		}
		key := identity.NewKey[identity.Node]()
		own, err := identity.NewJoiner(identitytest.Statement(t, token, key, "web92", time.Now()), key, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.Open(answer.Data); err == nil {
			t.Error("another party opens the answer")
		}
		for what, secret := range map[string][]byte{"gossip key": admission.GossipKey, "issuing key": admission.Issuing} {
			if bytes.Contains(answer.Data, secret) {
				t.Errorf("the %s stands in the answer", what)
			}
		}
	})
	t.Run("sealed to the thief instead", func(t *testing.T) {
		signature, body := captured.Data[:64], captured.Data[64:]
		var req identity.JoinRequest
		if err := wire.Unmarshal(body, &req); err != nil {
			t.Fatal(err)
		}
		req.SealTo = identity.NewSealKey().Public()
		body, err = wire.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := shared.captured.Conn.Request(job.JoinSubject(token.Record.ID()), bytes.Join([][]byte{signature, body}, nil), refusedIn)
		if err != nil {
			t.Fatal(err)
		}
		var said identity.JoinAnswer
		if err := wire.Unmarshal(answer.Data, &said); err != nil || said.Sealed != nil || said.Refused == "" {
			t.Errorf("the fleet says %q, %v", said.Refused, err)
		}
	})
	shared.stats(t)
}
