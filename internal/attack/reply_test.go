package attack

import (
	"bytes"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/captured"
	"fleet/job"
)

// overheard reads a job as whoever carries it can: jobs are signed, not sealed.
func overheard(t *testing.T, signed []byte) (job.Job, job.Hash) {
	t.Helper()
	t.Helper()
	j, h, err := captured.Overheard(signed)
	if err != nil {
		t.Error(err)
	}
	return j, h
}

// refusal is what the client logs of each reply that it does not believe.
const refusal = "ignored a reply that failed verification"

// web4 is held while the captured broker answers in its place, and let go once the client has refused all of that.
func TestReplyForgedAsAnotherHost(t *testing.T) {
	web2, web4 := shared.hosts[1], shared.hosts[3]
	shared.stats(t)
	thief := identity.NewKey[identity.Node]()
	forgeries := 0
	forged := func(signed []byte) {
		j, hash := overheard(t, signed)
		r := job.Reply{Job: hash, Kind: job.Result, State: job.OK, Message: "all is well", Time: time.Now().UnixMilli()}
		open, err := r.Sign(web2.creds)
		if err != nil {
			t.Error(err)
		}
		var lies [][]byte
		add := func(c identity.Credentials, h job.Hash) {
			r.Job = h
			raw, err := r.Sign(c)
			if err != nil {
				t.Error(err)
				return
			}
			sealed, err := job.SealReply(j, hash, raw)
			if err != nil {
				t.Error(err)
			}
			lies = append(lies, sealed)
		}
		add(identity.Credentials{Key: thief, Statement: web4.creds.Statement}, hash) // web4's statement, another key
		add(web4.creds, job.Hash{1})                                                 // web4's own word about another job
		lies = append(lies, open, []byte("x"), bytes.Repeat([]byte{0xff}, 1<<18))    // not sealed, no reply at all
		forgeries = len(lies)
		for _, lie := range lies {
			if err := shared.captured.Conn.Publish(job.ReplySubject(web4.id, j.Signer.ID(), j.ID), lie); err != nil {
				t.Error(err)
			}
		}
	}
	var once sync.Once
	for _, subject := range []string{job.AllSubject, job.NodeSubject(web4.id)} { // the client sends again to who is silent
		heard, err := shared.captured.Conn.Subscribe(subject, func(m *nats.Msg) { once.Do(func() { forged(m.Data) }) })
		if err != nil {
			t.Fatal(err)
		}
		defer heard.Unsubscribe()
	}
	shared.known(t)
	if err := web4.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	already, freed := shared.clientLog.count(refusal), make(chan struct{})
	go func() {
		defer close(freed)
		defer web4.cmd.Process.Signal(syscall.SIGCONT)
		if err := shared.clientLog.reach(already+5, refusal); err != nil {
			t.Error(err)
		}
	}()
	r, err := shared.client.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	<-freed
	if err != nil {
		t.Fatal(err)
	}
	if r.Rejected < forgeries {
		t.Errorf("the client refused %d replies of %d", r.Rejected, forgeries)
	}
	if shared.clientLog.count(refusal, "signature of") == 0 {
		t.Error("the client does not say why")
	}
	for _, o := range r.Outcomes {
		if o.Message == "all is well" || o.State != job.OK {
			t.Errorf("%s: %s %q", o.Name, o.State, o.Message)
		}
	}
	if len(r.Outcomes) != len(shared.hosts) {
		t.Errorf("%d hosts answered", len(r.Outcomes))
	}
	shared.stats(t)
}

// A host that was not asked answers with its own, good key: the client counts it for nothing.
func TestReplyOfAHostThatWasNotAsked(t *testing.T) {
	web2, web4 := shared.hosts[1], shared.hosts[3]
	heard, err := shared.captured.Conn.Subscribe(job.NodeSubject(web4.id), func(m *nats.Msg) {
		j, hash := overheard(t, m.Data)
		signed, err := job.Reply{Job: hash, Kind: job.Result, State: job.OK, Message: "I did it too", Time: time.Now().UnixMilli()}.Sign(web2.creds)
		if err != nil {
			t.Error(err)
		}
		sealed, err := job.SealReply(j, hash, signed)
		if err != nil {
			t.Error(err)
		}
		shared.captured.Conn.Publish(job.ReplySubject(web2.id, j.Signer.ID(), j.ID), sealed)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Unsubscribe()
	shared.known(t)
	r, err := shared.client.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience,
		Targets: []client.Target{{Node: web4.id, Name: "web4"}}}, nil)
	if err != nil || len(r.Outcomes) != 1 || r.Outcomes[0].Node != web4.id || r.Outcomes[0].State != job.OK {
		t.Errorf("%+v, %v", r.Outcomes, err)
	}
	shared.stats(t)
}

// The captured broker takes all replies down and tries every key that it has.
func TestReplyReadByAnotherHost(t *testing.T) {
	replies := shared.hear(t, "fleet.reply.>")
	jobs := shared.hear(t, job.AllSubject)
	shared.stats(t) // honest hosts tell their names, ids and versions
	asked, err := jobs.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	hash := job.HashOf(asked.Data)
	for range shared.hosts {
		m, err := replies.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range shared.hosts {
			for _, plain := range []string{h.name, string(h.id), "jobs_ran", "fleet development"} {
				if bytes.Contains(m.Data, []byte(plain)) {
					t.Errorf("a reply shows %q", plain)
				}
			}
			raw, err := identity.ReadSecretFile(h.dir + "/seal.key")
			if err != nil {
				t.Fatal(err)
			}
			key, err := identity.ParseSealKey(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := job.UnsealReply(key, hash, m.Data); err == nil {
				t.Errorf("%s can read a reply", h.name)
			}
		}
	}
}
