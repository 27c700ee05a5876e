package policy

import (
	"testing"
	"time"

	"fleet/identity"
)

func TestToken(t *testing.T) {
	const yes, no = true, false
	dev, prod := map[string]string{"env": "dev"}, map[string]string{"env": "prod"}
	tests := []struct {
		name    string
		rule    identity.Rule
		role    identity.Role
		labels  map[string]string
		allowed bool
	}{
		{"everything", identity.Rule{Action: "*.*"}, identity.Peer, prod, yes},
		{"everything on some hosts, a member of them", identity.Rule{Action: "*.*", Hosts: "env=dev"}, identity.Member, dev, yes},
		{"everything on some hosts, an ephemeral of them", identity.Rule{Action: "*.*", Hosts: "env=dev"}, identity.Ephemeral, dev, yes},
		{"everything on some hosts, others", identity.Rule{Action: "*.*", Hosts: "env=dev"}, identity.Member, prod, no},
		{"everything on some hosts, without labels", identity.Rule{Action: "*.*", Hosts: "env=dev"}, identity.Member, nil, no},
		{"everything on some hosts, a peer of them", identity.Rule{Action: "*.*", Hosts: "env=dev"}, identity.Peer, dev, no},
		{"any plugin's peer on some hosts", identity.Rule{Action: "*.peer", Hosts: "env=dev"}, identity.Peer, dev, no},
		{"all tokens with labels", identity.Rule{Action: "token.*", Hosts: "env=dev"}, identity.Peer, dev, yes},
		{"peers", identity.Rule{Action: "token.peer"}, identity.Peer, nil, yes},
		{"peers are not members", identity.Rule{Action: "token.peer"}, identity.Member, nil, no},
		{"members are not peers", identity.Rule{Action: "token.member"}, identity.Peer, nil, no},
		{"peers with labels", identity.Rule{Action: "token.peer", Hosts: "env=dev"}, identity.Peer, dev, yes},
		{"peers with other labels", identity.Rule{Action: "token.peer", Hosts: "env=dev"}, identity.Peer, prod, no},
		{"an expression that does not parse", identity.Rule{Action: "token.peer", Hosts: "and"}, identity.Peer, dev, no},
		{"another plugin", identity.Rule{Action: "service.*"}, identity.Member, nil, no},
		{"with arguments", identity.Rule{Action: "*.*", Args: map[string]string{"service": "*"}}, identity.Member, nil, no},
		{"with a second key", identity.Rule{Action: "*.*", Second: 1}, identity.Member, nil, no},
		{"with a second key above nearly all", identity.Rule{Action: "*.*", Second: 100}, identity.Member, nil, no},
		{"not yet", identity.Rule{Action: "token.member", From: noon.Unix() + 1}, identity.Member, nil, no},
		{"not any more", identity.Rule{Action: "token.member", Until: noon.Unix()}, identity.Member, nil, no},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			admin := identity.NewKey[identity.Admin]()
			r := identity.Roster{
				Roles:  []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{tt.rule}}},
				Admins: []identity.AdminEntry{{Name: "ann", Key: admin.Public(), Roles: []string{"ops"}}},
			}
			if a := Token(r, r.Admins[0], tt.role, tt.labels, noon); a.Allowed != tt.allowed || a.By == "" || a.Waits {
				t.Errorf("%+v", a)
			}
			record := identity.Record{Role: tt.role, Labels: tt.labels, Issuer: admin.Public()}
			if err := MayAdmit(r, record, noon); (err == nil) != tt.allowed {
				t.Errorf("the peer says: %v", err)
			}
			record.Issuer = identity.NewKey[identity.Admin]().Public()
			if err := MayAdmit(r, record, noon); err == nil {
				t.Error("a token of somebody else")
			}
		})
	}
}

// A second rule may allow what the first one cannot.
func TestTokenLooksAtEveryRule(t *testing.T) {
	r := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{{Action: "*.*", Second: 1}, {Action: "token.member"}}}}}
	if a := Token(r, identity.AdminEntry{Name: "ann", Roles: []string{"ops"}}, identity.Member, nil, time.Unix(1, 0)); !a.Allowed || a.By != "role ops, rule 2: token.member" {
		t.Errorf("%+v", a)
	}
}

func TestCheckTokenRule(t *testing.T) {
	for _, good := range []identity.Rule{
		{Action: "token.peer"}, {Action: "token.*", Hosts: "env=dev"}, {Action: "*.*", Second: 1}, {Action: "service.restart", Args: map[string]string{"service": "nginx"}},
	} {
		if err := CheckTokenRule(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []identity.Rule{
		{Action: "token.broker"}, {Action: "token.peer", Args: map[string]string{"env": "dev"}}, {Action: "token.*", Second: 1}, {Action: "token.member", Second: 51},
	} {
		if err := CheckTokenRule(bad); err == nil {
			t.Errorf("%+v is good", bad)
		}
	}
}
