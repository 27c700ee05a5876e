package attack

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/internal/identitytest"
	"fleet/job"
)

// keptOut shows that nobody gets a connection with this, and that the broker logged it.
func (m *mesh) keptOut(t *testing.T, c *tls.Config) {
	t.Helper()
	from := m.hosts[0].log.mark()
	nc, err := m.dial(c)
	if err == nil {
		if err = nc.Flush(); err == nil {
			t.Error("it is let in")
		}
		nc.Close()
	}
	if _, err := m.hosts[0].log.find(from, "level=WARN", "TLS handshake error"); err != nil {
		t.Error(err)
	}
	m.stats(t)
}

func trusting(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, Certificates: certs}
}

func TestRawClientWithoutACertificate(t *testing.T) { shared.keptOut(t, trusting()) }

func TestRawClientWithAnOldTLS(t *testing.T) {
	c := trusting(selfMade(t, nil))
	c.MaxVersion = tls.VersionTLS12
	shared.keptOut(t, c)
}

// selfMade is a certificate of a fresh key by itself, or by key if one is given.
func selfMade(t *testing.T, names []*url.URL) tls.Certificate {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "web1"}, URIs: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestRawClientWithAStrangersCertificate(t *testing.T) {
	fleet := string(shared.root.Anchor().ID())
	t.Run("alone", func(t *testing.T) { shared.keptOut(t, trusting(selfMade(t, nil))) })
	t.Run("of another admin", func(t *testing.T) {
		c, err := identity.AdminTLS(shared.root.Anchor(), identity.NewKey[identity.Admin](), unknown)
		if err != nil {
			t.Fatal(err)
		}
		shared.keptOut(t, c)
	})
	t.Run("with the fleet's own issuing certificate behind it", func(t *testing.T) {
		c := selfMade(t, []*url.URL{{Scheme: "fleet", Host: fleet, Path: "/peer/x"}})
		c.Certificate = append(c.Certificate, shared.hosts[0].creds.Chain.Issuing)
		shared.keptOut(t, trusting(c))
	})
	t.Run("with a chain of another fleet's", func(t *testing.T) {
		shared.keptOut(t, shared.nodeTLSAnywhere(elsewhere(t).Host(t, "web1", identity.Record{Role: identity.Peer}, time.Now())))
	})
	t.Run("with a certificate of a node and another key", func(t *testing.T) {
		shared.keptOut(t, shared.nodeTLSAnywhere(identity.Credentials{Key: identity.NewKey[identity.Node](), Chain: shared.hosts[3].creds.Chain}))
	})
}

// elsewhere is another fleet.
func elsewhere(t *testing.T) identitytest.Fleet {
	t.Helper()
	root := identitytest.Root()
	issuer, err := identity.NewIssuer(root.Anchor(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return identitytest.Fleet{Root: root.Anchor(), Admin: identity.NewKey[identity.Admin](), Issuer: issuer}
}

// stolen is what somebody makes hosts with who has a peer's issuing key, and an admin key that he made himself.
func (m *mesh) stolen(t *testing.T) identitytest.Fleet {
	t.Helper()
	key, err := identity.ReadKey[identity.Issuing](m.hosts[0].dir + "/issuing.key")
	if err != nil {
		t.Fatal(err)
	}
	return identitytest.Fleet{Root: m.root.Anchor(), Admin: identity.NewKey[identity.Admin](), Issuer: identity.Issuer{Key: key, Certificate: m.hosts[0].creds.Chain.Issuing}}
}

func (m *mesh) nodeTLSAnywhere(c identity.Credentials) *tls.Config {
	config := m.nodeTLS(c)
	config.VerifyConnection = nil
	return config
}

// forbidden shows that the broker refuses it, and that it logged that.
func (m *mesh) forbidden(t *testing.T, nc *nats.Conn, verb, subject string) {
	t.Helper()
	from := m.hosts[0].log.mark()
	var err error
	if verb == "publish" {
		err = nc.Publish(subject, []byte("x"))
	} else {
		_, err = nc.SubscribeSync(subject)
	}
	if err := errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
	if err := nc.LastError(); err == nil || !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
		t.Errorf("%s %s: %v", verb, subject, err)
	}
	what := "Publish Violation"
	if verb != "publish" {
		what = "Subscription Violation"
	}
	if _, err := m.hosts[0].log.find(from, what, subject); err != nil {
		t.Error(err)
	}
}

func TestMemberPublishesAJob(t *testing.T) {
	web4 := shared.hosts[3]
	signed := sign(t, shared.change("member-publishes"), shared.admin) // a good one that it heard, and wants others to run
	for _, subject := range []string{job.AllSubject, job.NodeSubject(shared.hosts[0].id), job.NodeSubject(web4.id)} {
		before := shared.stats(t)
		nc := shared.dialAs(t, web4.creds)
		shared.forbidden(t, nc, "publish", subject)
		if err := errors.Join(nc.Publish(subject, signed), nc.Flush()); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		after := shared.stats(t)
		for _, h := range shared.hosts {
			if h.ran("member-publishes") != 0 || after[h.name]["jobs_dropped"] != before[h.name]["jobs_dropped"] {
				t.Errorf("%s heard it", h.name)
			}
		}
	}
}

func TestMemberPublishesAsAnotherHost(t *testing.T) {
	nc := shared.dialAs(t, shared.hosts[3].creds)
	id := shared.admin.Public().ID()
	for _, subject := range []string{job.ReplySubject(shared.hosts[0].id, id, "J"), job.RenewSubject(shared.hosts[0].id), job.DocNewSubject,
		job.DocPutSubject, job.JoinSubject("x"), job.Inbox(id) + ".x", job.MembersSubject} {
		shared.forbidden(t, nc, "publish", subject)
	}
	shared.stats(t)
}

func TestMemberSubscribesToOthersReplies(t *testing.T) {
	web4, id := shared.hosts[3], shared.admin.Public().ID()
	nc := shared.dialAs(t, web4.creds)
	for _, subject := range []string{">", "fleet.>", "*.>", "fleet.reply.>", job.RepliesSubject(id, "*"), job.NodeReplies(shared.hosts[0].id),
		job.NodeReplies(web4.id), "fleet.job.>", job.NodeSubject(shared.hosts[0].id), job.Inbox(id) + ".>", "_INBOX.>", job.JoinSubject("*"), "$SYS.>"} {
		shared.forbidden(t, nc, "subscribe", subject)
	}
	shared.stats(t)
}

// Only a peer answers for the mesh, and only peers run brokers: a certificate says member, whatever its holder says.
func TestMemberPresentsItselfAsPeer(t *testing.T) {
	web4 := shared.hosts[3]
	t.Run("to a broker, to answer for the mesh", func(t *testing.T) {
		nc := shared.dialAs(t, web4.creds)
		for _, subject := range []string{job.MembersSubject, job.JoinSubject("*"), job.RenewSubject("*"), job.DocPutSubject, job.DocGetSubject} {
			shared.forbidden(t, nc, "subscribe", subject)
		}
		shared.stats(t)
	})
	t.Run("with a certificate that its own key signed", func(t *testing.T) {
		leaf := selfMade(t, []*url.URL{{Scheme: "fleet", Host: string(shared.root.Anchor().ID()), Path: "/peer/" + string(web4.id)}})
		shared.keptOut(t, trusting(tls.Certificate{PrivateKey: leaf.PrivateKey, Certificate: [][]byte{leaf.Certificate[0], web4.creds.Chain.Leaf}}))
	})
	t.Run("to an admin, as a broker", func(t *testing.T) {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, TLS: true, TLSHandshakeFirst: true,
			TLSConfig: shared.nodeServerTLS(web4.creds)})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		defer s.Shutdown()
		if !s.ReadyForConnections(patience) {
			t.Fatal("does not start")
		}
		c, err := client.Connect(t.Context(), client.Config{Root: shared.root.Anchor(), Key: shared.admin, Brokers: []string{s.Addr().String()}, Log: nil, Declared: declared})
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, identity.ErrOtherFleet) && !errors.Is(err, identity.ErrShutOut) {
			t.Errorf("the admin's client says: %v", err)
		}
	})
}

func (m *mesh) nodeServerTLS(c identity.Credentials) *tls.Config {
	config := identity.ServerTLS(m.root.Anchor(), func() identity.Credentials { return c }, nil)
	config.VerifyConnection = nil
	return config
}

func TestRogueBrokerRoute(t *testing.T) {
	for name, c := range map[string]identity.Credentials{
		"a member":               shared.hosts[3].creds,
		"a peer's certificate":   {Key: identity.NewKey[identity.Node](), Chain: shared.hosts[1].creds.Chain},
		"another fleet's broker": elsewhere(t).Host(t, "web9", identity.Record{Role: identity.Peer}, time.Now()),
		"the issuing key":        shared.stolen(t).Host(t, "web9", identity.Record{Role: identity.Peer}, time.Now()),
	} {
		t.Run(name, func(t *testing.T) {
			web1 := shared.hosts[0]
			from := web1.log.mark()
			b, err := captured.Serve(shared.root.Anchor().ID(), c, captured.Place{Name: "rogue", Host: "127.0.0.1", Routes: []string{web1.routes}})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Stop()
			for range 2 { // when it tries again, the first attempt is over
				if _, err := web1.log.find(from, "TLS route handshake error"); err != nil {
					t.Fatal(err)
				}
				from = web1.log.mark()
			}
			if n := b.Server.NumRoutes(); n != 0 {
				t.Errorf("it has %d routes", n)
			}
			shared.stats(t)
		})
	}
}

// The issuing key, which every peer holds, says that a host is welcome, and nothing of who it is: that takes a token, which
// takes an admin. Whoever stole it gets no connection with what he makes up, and makes no other host out of one that there is.
func TestIssuingKeyMakesAHost(t *testing.T) {
	thief := shared.stolen(t)
	for _, role := range []identity.Role{identity.Member, identity.Peer} {
		t.Run("a "+string(role), func(t *testing.T) {
			shared.keptOut(t, shared.nodeTLS(thief.Host(t, "web9", identity.Record{Role: role, Labels: map[string]string{"env": "prod"}}, time.Now())))
		})
	}
	t.Run("a member as a peer", func(t *testing.T) {
		web4 := shared.hosts[3]
		statement := identitytest.Statement(t, thief.Token(t, identity.Record{Role: identity.Peer}, time.Now()), web4.creds.Key, web4.name, time.Now())
		chain, err := thief.Issuer.Issue(statement, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		shared.keptOut(t, shared.nodeTLS(identity.Credentials{Key: web4.creds.Key, Chain: chain}))
	})
	t.Run("a reply of a host that is none", func(t *testing.T) {
		invented := thief.Host(t, "web4", identity.Record{}, time.Now())
		heard, err := shared.captured.Conn.Subscribe(job.AllSubject, func(m *nats.Msg) {
			j, hash := overheard(t, m.Data)
			raw, err := job.Reply{Job: hash, Kind: job.Result, State: job.OK, Message: "all is well", Time: time.Now().UnixMilli()}.Sign(invented)
			if err != nil {
				t.Error(err)
				return
			}
			sealed, err := job.SealReply(j, hash, raw)
			if err := errors.Join(err, shared.captured.Conn.Publish(job.ReplySubject(invented.Key.Public().ID(), j.Signer.ID(), j.ID), sealed)); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer heard.Unsubscribe()
		shared.known(t)
		until(t, "the client refuses it", func() bool { // it may come after the last honest reply, when nobody listens any more
			shared.stats(t)
			return shared.clientLog.count(refusal, "no admin's") > 0
		})
	})
}

// The issuing key makes no admin either.
func TestIssuingKeyMakesAnAdmin(t *testing.T) {
	key, own := shared.stolen(t).Issuer.Key, identity.NewKey[identity.Node]()
	adminOf, err := identity.ParseSecret[identity.Admin](strings.Replace(own.Secret(), "fleet-node-secret:", "fleet-admin-secret:", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("its node's key signs a job", func(t *testing.T) {
		j := shared.change("issued-admin")
		shared.dropped(t, sign(t, j, adminOf), "issued-admin", j.ID, "not in roster")
	})
	t.Run("a roster that the issuing key signed", func(t *testing.T) {
		asRoot, err := identity.ParseSecret[identity.Root](strings.Replace(key.Secret(), "fleet-issuing-secret:", "fleet-root-secret:", 1))
		if err != nil {
			t.Fatal(err)
		}
		r, err := shared.client.Roster(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.Version++
		r.Admins = append(r.Admins, identity.AdminEntry{Name: "issued", Key: adminOf.Public(), Roles: []string{"all"}})
		signed, err := identity.SignRoster(identitytest.RootOf(1, asRoot), r, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		from := shared.hosts[3].log.mark()
		shared.send(t, job.DocNewSubject, signed)
		if _, err := shared.hosts[3].log.find(from, "announced document rejected", "is not valid"); err != nil {
			t.Error(err)
		}
		shared.keptOut(t, adminTLS(t, adminOf))
	})
}

func adminTLS(t *testing.T, key identity.PrivateKey[identity.Admin]) *tls.Config {
	t.Helper()
	c, err := identity.AdminTLS(shared.root.Anchor(), key, unknown)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// unknown is what an admin's machine knows of the roster that has never been connected.
func unknown() identity.Roster { return identity.Roster{} }
