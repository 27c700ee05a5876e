package node

import (
	"strings"
	"testing"
	"time"

	"fleet/identity"
)

// The token and the host's own keys say who a host is. A peer that certifies something else is not believed.
func TestAnAdmissionIsForThisHost(t *testing.T) {
	now := time.Now()
	root, key, seal := identity.NewKey[identity.Root](), identity.NewKey[identity.Node](), identity.NewSealKey()
	issuer, err := identity.NewIssuer(root, now)
	if err != nil {
		t.Fatal(err)
	}
	token := identity.Token{Root: root.Public(), Record: identity.Record{Role: identity.Member, Labels: map[string]string{"env": "prod"}}}
	own := identity.NodeIdentity{Key: key.Public(), Seal: seal.Public(), Name: "web1", Role: identity.Member, Labels: map[string]string{"env": "prod"}}
	for want, change := range map[string]func(*identity.NodeIdentity){
		"no roster came":      func(*identity.NodeIdentity) {}, // the certificate itself is good
		"another role":        func(id *identity.NodeIdentity) { id.Role = identity.Peer },
		"other labels":        func(id *identity.NodeIdentity) { id.Labels = map[string]string{"env": "dev"} },
		"another name":        func(id *identity.NodeIdentity) { id.Name = "web2" },
		"another node":        func(id *identity.NodeIdentity) { id.Key = identity.NewKey[identity.Node]().Public() },
		"another sealing key": func(id *identity.NodeIdentity) { id.Seal = identity.NewSealKey().Public() },
	} {
		id := own
		change(&id)
		chain, err := issuer.Issue(id, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := accept(identity.Admission{Chain: chain}, token, key, seal, "web1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
