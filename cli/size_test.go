package cli

import (
	"strings"
	"testing"

	"fleet/identity"
)

// Who writes a rule about a share of the fleet is told to state its size; the size is shown, and hosts go by it.
func TestTheSizeOfTheFleet(t *testing.T) {
	f, ann := fleetWithServices(t)
	const unknown = "the fleet's size is not stated; rules about a share of it require a second key for every job (fleet root size N)"
	expect(t, ann.must(0, "role", "allow", "few", "--action", "service.*", "--second-key-above", "50"), unknown)
	expect(t, ann.must(0, "role", "list"), unknown)

	bob := person{t: t, home: t.TempDir()}
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "few")
	_, back, _ := ann.run(strings.Fields(line)[1:]...)
	bob.pasted(0, back)
	expect(t, bob.within(7, "service", "nginx", "restart", "-I", "web1"), "needs the signature of a second admin (role few, rule 1: service.*, with a second admin's signature above 50 % of the fleet; "+
		"the roster does not say how many hosts the fleet has, so this may be all of them; to say it: fleet root size N)")
	for _, bad := range []string{"many", "100001", "2.5", "+-1"} {
		expect(t, ann.must(2, "root", "size", bad), "is not a number of hosts from 0 to 100000")
	}
	expect(t, ann.must(0, "root", "size", "2"), "the roster says now: the fleet has 2 hosts", "is in force on the only host")
	expect(t, ann.must(2, "root", "size", "2"), "the roster already says so")
	expect(t, ann.must(0, "role", "list"), "the fleet has 2 hosts")
	expect(t, ann.must(0, "role", "list", "-o", "json"), `"hosts": 2`)
	expect(t, bob.must(7, "service", "nginx", "restart", "-I", "web1"), "it is for 1 of 1 hosts") // fewer are known than are stated
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(f.Client(), 2)
	bob.within(0, "service", "nginx", "restart", "-I", "web1")
	expect(t, bob.must(7, "service", "nginx", "restart", "--all", "-y"), "it is for 2 of 2 hosts, with what bob changed within the hour")
	expect(t, ann.must(0, "root", "size", "0"), "is not stated")
}
