package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// hire makes an admin with these roles.
func (m *mesh) hire(t *testing.T, name string, roles ...string) identity.PrivateKey[identity.Admin] {
	t.Helper()
	key := identity.NewKey[identity.Admin]()
	m.amend(t, func(r *identity.Roster) {
		r.Admins = append(r.Admins, identity.AdminEntry{Name: name, Key: key.Public(), Roles: roles})
	})
	return key
}

// as connects with an admin's own client.
func (m *mesh) as(t *testing.T, key identity.Signer) *client.Client {
	t.Helper()
	c, err := m.connect(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// ping is a read of an admin's, which lives as long as one may.
func (m *mesh) ping(t *testing.T, key identity.Signer, f filter.Filter) (id string, signed []byte) {
	t.Helper()
	j := asks(m.change(""), "rpcutil", "ping", map[string]any{})
	j.Targets, j.Filter = nil, f
	j.Expires = j.Issued + job.MaxLife.Milliseconds()
	return j.ID, sign(t, j, key)
}

// More jobs of an admin without a role than a host remembers: each has an id of its own, none matches, and none takes any room. The
// honest next job is a read, and would be refused where the room were taken.
func TestAFloodByAnAdminWithoutARole(t *testing.T) {
	nobody, web4 := shared.hire(t, "nobody"), shared.hosts[3]
	const reads, atOnce = 8192, 16 // as many as are remembered; and fewer than one signer may have at once
	none := filter.Filter{Facts: []string{"kernel=none"}}
	for range reads/atOnce + 1 {
		mark, ids := web4.log.mark(), []string{}
		for range atOnce {
			id, signed := shared.ping(t, nobody, none)
			shared.send(t, job.NodeSubject(web4.id), signed)
			ids = append(ids, id)
		}
		for _, id := range ids {
			if _, err := web4.log.find(mark, `msg="job refused"`, "job="+id, "signer=nobody", "reason=policy"); err != nil {
				t.Fatal(err)
			}
		}
	}
	shared.stats(t)
	if n := countIn(web4.audit(t), `"signer":"nobody"`); n == 0 || n > 600 { // 60 a minute
		t.Errorf("the audit has %d lines about them", n)
	}
}

// What a filter would say of a host, an admin without a role does not learn: true or false, the answer is the same.
func TestAFilterByAnAdminWithoutARole(t *testing.T) {
	c := shared.as(t, shared.hire(t, "curious"))
	for _, text := range []string{"kernel=Linux", "kernel=none", "fstat('/etc/passwd').present=true", "fstat('/etc/passwd').present=false", "nonsense('x').y=1"} {
		for _, action := range []string{"ping", "inventory"} {
			r, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: action, Filter: filter.Filter{Selects: []string{text}}, Timeout: patience}, nil)
			if err != nil {
				t.Fatal(err)
			}
			answered := 0
			for _, o := range r.Outcomes {
				if o.Reason == job.ReasonPolicy && o.Message == fmt.Sprintf("no role of curious allows rpcutil.%s (roles: none)", action) {
					answered++
				}
			}
			if answered != len(shared.hosts) {
				t.Errorf("%s with %s: %+v", action, text, r.Outcomes)
			}
		}
	}
	shared.stats(t)
}

// heavy is a filter that asks as many data functions as one may, of files that take a while to read; it selects no host.
func heavy(t *testing.T) filter.Filter {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "0")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 16<<20); err != nil {
		t.Fatal(err)
	}
	var f filter.Filter
	for i := range 16 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if i > 0 {
			if err := os.Link(file, path); err != nil {
				t.Fatal(err)
			}
		}
		f.Selects = append(f.Selects, fmt.Sprintf("fstat('%s').size=%d", path, map[bool]int{true: 16 << 20}[i < 15]))
	}
	return f
}

// More heavy filters of an admin with every right than a host has room for. They take his share and no more: no job of anybody is
// dropped unseen, as would happen if they filled the host, and every host answers the honest next job.
func TestHeavyFiltersOfAnAdminWithRights(t *testing.T) {
	greedy, web4, f := shared.hire(t, "greedy", "all"), shared.hosts[3], heavy(t)
	const atOnce, room, times = 40, 24, 6
	unseen, dropped := `msg="job dropped, too many at once"`, `msg="no room for a job; the host says that it is busy"`
	before := web4.log.count(unseen)
	for i := range times {
		for range atOnce {
			_, signed := shared.ping(t, greedy, f)
			shared.send(t, job.NodeSubject(web4.id), signed)
		}
		// Those of a round find at most all the room free; half of what is then too many may still be taken in place of some that end.
		if err := web4.log.reach((i+1)*(atOnce-room)/2, dropped, "signer=greedy"); err != nil {
			t.Fatal(err)
		}
		shared.stats(t)
	}
	if n := web4.log.count(unseen); n != before {
		t.Errorf("%d jobs were dropped unseen", n-before)
	}
	c := shared.as(t, greedy)
	until(t, "greedy is answered again", func() bool {
		r, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
		return err == nil && len(r.Outcomes) == len(shared.hosts) && r.Outcomes[3].State == job.OK
	})
}
