package attack

import (
	"fmt"
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

// ping is a read of an admin's.
func (m *mesh) ping(t *testing.T, key identity.Signer, f filter.Filter) []byte {
	t.Helper()
	j := m.change("")
	j.Plugin, j.Action, j.Args, j.Filter = "rpcutil", "ping", map[string]any{}, f
	j.Expires = j.Issued + job.MaxLife.Milliseconds()
	return sign(t, j, key)
}

// More jobs of an admin without a role than a host remembers: each has an id of its own, none matches, and none takes any room. The
// honest next job is a read, and would be refused where the room were taken.
func TestAFloodByAnAdminWithoutARole(t *testing.T) {
	nobody, web4 := shared.hire(t, "nobody"), shared.hosts[3]
	const reads, atOnce = 8192, 50 // as many as are remembered; and fewer than a host drops
	done := shared.stats(t)[web4.name]["jobs_refused"]
	for range reads/atOnce + 1 {
		for range atOnce {
			shared.send(t, job.NodeSubject(web4.id), shared.ping(t, nobody, filter.Filter{Facts: []string{"kernel=none"}}))
		}
		done += atOnce
		until(t, "web4 refuses them", func() bool { return shared.stats(t)[web4.name]["jobs_refused"] >= done })
	}
	if n := web4.log.count(`msg="job refused"`, "signer=nobody", "reason=policy"); n < reads {
		t.Errorf("%d were refused", n)
	}
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
