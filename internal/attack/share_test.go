package attack

import (
	"strings"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// few makes an admin whose key alone is enough for half of the fleet.
func (m *mesh) few(t *testing.T, name string) *client.Client {
	t.Helper()
	return m.as(t, m.hire(t, name, "few"))
}

// restart is what becomes of a change, by host.
func (m *mesh) restart(t *testing.T, c *client.Client, service string, on ...*host) map[string]client.Outcome {
	t.Helper()
	r, err := c.Run(t.Context(), client.Request{Plugin: "service", Action: "restart", Args: map[string]any{"service": service}, Targets: targetsOf(on), Timeout: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]client.Outcome{}
	for _, o := range r.Outcomes {
		by[o.Name] = o
	}
	return by
}

// A rule asks for a second key above half of the fleet, which has four hosts. Who has an admin's key and the gossip key invents 24
// more, so that four are a seventh of them; or sends jobs for two hosts each.
func TestMoreThanAShareOfTheFleet(t *testing.T) {
	m := besieged(t)
	m.amend(t, func(r *identity.Roster) {
		r.Hosts = 4
		r.Roles = append(r.Roles, identity.RoleEntry{Name: "few", Rules: []identity.Rule{{Action: "service.*", Second: 51}}})
	})
	t.Run("by hosts that are invented", func(t *testing.T) {
		eve := m.few(t, "eve")
		m.invent(t, 24)
		for _, h := range m.hosts {
			if _, err := h.log.find(0, "others know of members that are gone", "count="); err != nil {
				t.Fatalf("%s: %v", h.name, err) // the attack must have arrived to mean something
			}
		}
		for name, o := range m.restart(t, eve, "invented-share", m.hosts...) {
			if o.State != job.Denied || o.Reason != job.ReasonSecond || !strings.Contains(o.Message, "it is for 4 of 4 hosts") {
				t.Errorf("%s: %s %s %q", name, o.State, o.Reason, o.Message)
			}
		}
		for _, h := range m.hosts {
			if h.ran("invented-share") != 0 {
				t.Errorf("%s ran it", h.name)
			}
		}
	})
	t.Run("by small jobs", func(t *testing.T) {
		eve, web1, web4 := m.few(t, "eve2"), m.hosts[0], m.hosts[3]
		for name, o := range m.restart(t, eve, "small-share", web1, web4) {
			if o.State == job.Denied {
				t.Errorf("half of the fleet, %s: %s %q", name, o.Reason, o.Message)
			}
		}
		for _, h := range m.hosts[1:3] {
			o := m.restart(t, eve, "next-share", h, web4)["web4"]
			if o.State != job.Denied || o.Reason != job.ReasonSecond || !strings.Contains(o.Message, "it is for 3 of 4 hosts, with what eve2 changed within the hour") {
				t.Errorf("with %s: %s %s %q", h.name, o.State, o.Reason, o.Message)
			}
		}
		web4.stop()
		if err := web4.start(); err != nil {
			t.Fatal(err)
		}
		until(t, "web4 remembers it after a restart", func() bool {
			o := m.restart(t, eve, "next-share", m.hosts[1], web4)["web4"]
			return o.State == job.Denied && strings.Contains(o.Message, "it is for 3 of 4 hosts")
		})
		if web4.ran("small-share") != 1 || web4.ran("next-share") != 0 {
			t.Errorf("web4 ran %d and %d", web4.ran("small-share"), web4.ran("next-share"))
		}
	})
}
