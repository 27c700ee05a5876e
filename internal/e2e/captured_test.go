//go:build lab

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/lab"
)

// siege is a fleet with one peer in the hands of a thief: web2, whose agent was stopped, and in whose place the thief runs.
type siege struct {
	*testing.T
	*chaos
	orders  *json.Encoder
	loot    *bufio.Scanner
	address map[string]string
	node    map[string]identity.ID
	honest  []string
}

const (
	stolen  = "web2"
	newcome = "web8" // joins while the thief answers
)

// besiege takes web2 over.
func besiege(t *testing.T, c *chaos) *siege {
	t.Helper()
	s := &siege{T: t, chaos: c, address: map[string]string{}, node: map[string]identity.ID{}}
	s.honest = slices.DeleteFunc(slices.Clone(c.nodes), func(h string) bool { return h == stolen })
	status, err := c.l.Status(c.l.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range status {
		s.address[h.Host] = h.Address
	}
	all := s.fleet("ping")
	for _, h := range all.run.Hosts {
		s.node[h.Host] = identity.ID(h.Node)
	}
	c.l.Must(stolen, "systemctl", "disable", "--now", "fleet-node")
	s.startThief()
	l := s.must(order{Do: "start", Addr: s.address[stolen], Name: stolen, Routes: s.routes("web1", "web3")})
	if l.Count != 2 {
		t.Fatalf("the thief's broker has %d routes", l.Count)
	}
	for _, peer := range []string{"web1", "web3"} { // until then nobody waits for its answer
		s.eventually(peer+" knows that "+stolen+" is back", func() bool { return s.journal(peer, "member is alive", "name="+stolen+" ") > 1 })
	}
	s.eventually("the thief answers in the place of "+stolen, func() bool { return slices.Contains(s.fleet("ping").in("ok"), stolen) })
	return s
}

// startThief starts this binary on the captured host.
func (s *siege) startThief() {
	s.Helper()
	own, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	s.l.Copy(stolen, own, "/root/thief")
	argv, err := s.l.ExecArgs(stolen, true, false, "env", asThief+"=/var/lib/fleet", "/root/thief")
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.CommandContext(s.l.Context(), argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		s.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		in.Close() // it ends with its orders
		io.Copy(io.Discard, out)
		cmd.Wait() // the test's context has ended by now, and the thief with it
	})
	s.orders, s.loot = json.NewEncoder(in), bufio.NewScanner(out)
	s.loot.Buffer(nil, 16<<20)
}

// must has the thief do something that has to be done for the test to mean anything.
func (s *siege) must(o order) (l loot) {
	s.Helper()
	if err := s.orders.Encode(o); err != nil {
		s.Fatal(err)
	}
	if !s.loot.Scan() {
		s.Fatalf("the thief is gone: %v", s.loot.Err())
	}
	if err := json.Unmarshal(s.loot.Bytes(), &l); err != nil {
		s.Fatal(err)
	}
	if l.Err != "" {
		s.Fatalf("the thief could not %s: %s", o.Do, l.Err)
	}
	return l
}

func (s *siege) routes(hosts ...string) (list []string) {
	for _, h := range hosts {
		list = append(list, s.address[h]+":7422")
	}
	return list
}

func (s *siege) broker(host string) string { return s.address[host] + ":7421" }

// fleet runs a command of ann's that prints the document of a run.
func (s *siege) fleet(args ...string) (c call) {
	s.Helper()
	c.stdout, c.stderr, c.code = s.l.Exec(s.admins["ann"], slices.Concat([]string{"fleet"}, args, []string{"-o", "json"})...)
	if err := json.Unmarshal([]byte(c.stdout), &c.run); err != nil {
		c.fault = err
	}
	return c
}

// eventually waits for what no event tells of.
func (s *siege) eventually(what string, holds func() bool) {
	s.Helper()
	late := time.NewTimer(eventually)
	defer late.Stop()
	for tick := time.NewTicker(100 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-late.C:
			s.Fatalf("this did not happen within %s: %s", eventually, what)
		case <-s.l.Context().Done():
			s.Fatalf("%s: %v", what, s.l.Context().Err())
		}
	}
}

// journal counts the lines of a host's agent that have all the parts.
func (s *siege) journal(host string, parts ...string) int {
	s.Helper()
	return countLines(s.l.Must(host, "journalctl", "--unit=fleet-node", "--output=cat", "--no-pager"), parts...)
}

// audit counts the lines of a host's audit log that have all the parts.
func (s *siege) audit(host string, parts ...string) int {
	s.Helper()
	return countLines(s.l.Must(host, "cat", "/var/lib/fleet/audit/audit.log"), parts...)
}

func countLines(text string, parts ...string) (n int) {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			n++
		}
	}
	return n
}

// row is one of the table in docs/SECURITY.md.
func (s *siege) row(name string, do func(s *siege)) {
	s.Helper()
	outer := s.T
	outer.Run(name, func(t *testing.T) {
		began := time.Now()
		inner := *s
		inner.T = t
		do(&inner)
		t.Logf("took %.1f s", time.Since(began).Seconds())
	})
	if outer.Failed() {
		outer.FailNow()
	}
}

// wellOn is a run in which all is well on these hosts, and nobody else is named.
func (s *siege) wellOn(c call, hosts ...string) {
	s.Helper()
	names := []string{}
	for _, h := range c.run.Hosts {
		names = append(names, h.Host)
		if h.State != "ok" || h.Message == "a lie" {
			s.Errorf("%s: %s %q", h.Host, h.State, h.Message)
		}
	}
	slices.Sort(names)
	if slices.Sort(hosts); !slices.Equal(names, hosts) || c.code != 0 || c.fault != nil {
		s.Errorf("%v are named, want %v\n%s", names, hosts, c)
	}
}

// TestCapturedPeer has every line of docs/SECURITY.md that is about a captured peer happen to a fleet of real hosts: the thief has the
// whole disk of a peer and stands at its address. Then the peer is revoked and the keys are replaced, while two admins work.
func TestCapturedPeer(t *testing.T) {
	began := time.Now()
	bin := binary(t)
	c := newChaos(t, bin, 3, 2)
	added := make(chan error, 1)
	go func() { added <- c.l.Lab.Add(c.l.Context(), lab.Host{Name: newcome, Binary: bin}) }()
	t.Logf("the fleet is up after %.1f s", time.Since(began).Seconds())
	s := besiege(t, c)
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	t.Logf("the thief is up after %.1f s", time.Since(began).Seconds())
	s.row("invents hosts and labels", inventsHosts)
	s.row("lies in replies, and reads them", liesInReplies)
	s.row("replays and forges jobs", replaysJobs)
	s.row("publishes as another", publishesAsAnother)
	t.Logf("all ended after %.1f s", time.Since(began).Seconds())
}

// inventsHosts: the issuing key makes no host, no peer, and no label.
func inventsHosts(s *siege) {
	if l := s.must(order{Do: "connect", Addr: s.broker("web1")}); l.Said[0] != errIn.Error() {
		s.Fatalf("the disk alone does not get in, so nothing else shows anything: %v", l.Said)
	}
	before := s.journal("web1", "TLS handshake error")
	l := s.must(order{Do: "invent", Addr: s.broker("web1"), Name: stolen})
	for i, what := range []string{"a member", "a peer", "itself with other labels"} {
		if l.Said[i] == errIn.Error() {
			s.Errorf("%s: %s", what, l.Said[i])
		}
	}
	s.eventually("web1 logs each", func() bool { return s.journal("web1", "TLS handshake error") >= before+3 })
}

// liesInReplies: the client believes no host that there is not, and the thief reads no reply.
func liesInReplies(s *siege) {
	s.must(order{Do: "read replies"})
	s.must(order{Do: "lie", Name: "on"})
	c := s.fleet("ping")
	_, said, code := s.l.Exec("web1", "fleet", "node", "label", stolen, "shelf=7")
	l := s.must(order{Do: "lie", Name: "off"})
	s.wellOn(c, s.nodes...)
	if c.run.Rejected < 4 || l.Count < c.run.Rejected {
		s.Errorf("%d lies were told, and the client refused %d in one run", l.Count, c.run.Rejected)
	}
	if code != 0 || !strings.Contains(said, "now has the labels shelf=7") {
		s.Errorf("fleet node label (%d): %s", code, said)
	}
	if l := s.must(order{Do: "read replies"}); l.Count < len(s.nodes) || len(l.Said) > 0 {
		s.Errorf("of %d replies it could read %v", l.Count, l.Said)
	}
}

// replaysJobs: a job runs once, and only as it was signed.
func replaysJobs(s *siege) {
	s.wellOn(s.fleet("service", "restart", "chaos@replay", "--all"), s.nodes...)
	l := s.must(order{Do: "replay", Node: s.node["web4"]})
	forged := s.must(order{Do: "forge", Name: "chaos@forged"})
	if l.Count == 0 || forged.Count != 2 {
		s.Fatalf("%d jobs were sent again, and %d forged", l.Count, forged.Count)
	}
	for _, h := range s.honest {
		s.eventually(h+" drops the forged", func() bool { return s.journal(h, "job dropped") >= 2 })
		s.eventually(h+" knows the job", func() bool { return s.audit(h, `"event":"repeated"`) > 0 })
		if b := readBooks(s.T, s.l, h, false); b.ran["replay"] != 1 || b.ran["forged"] != 0 {
			s.Errorf("%s ran %v", h, b.ran)
		}
	}
}

// publishesAsAnother: an honest broker lets it speak under its own name only.
func publishesAsAnother(s *siege) {
	l := s.must(order{Do: "publish as", Addr: s.broker("web1"), Node: s.node["web4"]})
	for _, said := range l.Said {
		if !strings.Contains(strings.ToLower(said), "permissions violation") {
			s.Error(said)
		}
	}
	if l.Count == 0 {
		s.Error("it tried nothing")
	}
}
