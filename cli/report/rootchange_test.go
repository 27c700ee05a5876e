package report

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/identity"
)

var rootChangeKey = identity.NewKey[identity.Admin]().Public()

// fullRoster is a roster that has something in each of its fields.
func fullRoster() identity.Roster {
	list := ids(9)
	return identity.Roster{
		Fleet: "acme", Hosts: 40, Admins: []identity.AdminEntry{{Name: "ann", Key: rootChangeKey, Roles: []string{"ops", "dev"}}},
		Roles: []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{{Action: "service.*", Args: map[string]string{"service": "nginx", "force": "true"}, Hosts: "env=prod", From: 1000, Until: 2000, Second: 21}}}, {Name: "dev"}},
		Keys:  identity.Keys{Issuing: list[0], Gossip: list[1], Older: []identity.ID{list[2]}, Since: 7},
		Kept:  []identity.Kept{{ID: list[3], Record: identity.Hash{1}, By: "bob"}},
	}
}

// signedFields are the paths to all that a signature of a roster covers in v, by its cbor tags, through lists.
func signedFields(v reflect.Value, path string, visit func(path string)) {
	switch {
	case v.Type() == reflect.TypeFor[identity.PublicKey[identity.Admin]]():
		visit(path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if tag := f.Tag.Get("cbor"); tag != "" && tag != "-" {
				signedFields(v.Field(i), path+"."+f.Name, visit)
			}
		}
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
		signedFields(v.Index(0), path+"[]", visit)
		visit(path)
	default:
		visit(path)
	}
}

// at is the field of that path in a roster.
func at(v reflect.Value, path string) reflect.Value {
	for _, step := range strings.Split(strings.TrimPrefix(path, "."), ".") {
		name, first := strings.CutSuffix(step, "[]")
		if v = v.FieldByName(name); first {
			v = v.Index(0)
		}
	}
	return v
}

// A field of the roster that a holder of a root key signs and does not see fails this.
func TestAllOfARosterIsShown(t *testing.T) {
	seen := 0
	signedFields(reflect.ValueOf(fullRoster()), "", func(path string) {
		other := fullRoster()
		v := at(reflect.ValueOf(&other).Elem(), path)
		if v.Type() == reflect.TypeFor[identity.PublicKey[identity.Admin]]() {
			other.Admins[0].Key = identity.NewKey[identity.Admin]().Public()
		} else if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct {
			v.Set(v.Slice(0, 0))
		} else {
			alter(t, path, v)
		}
		seen++
		if lines := rosterChanges(fullRoster(), other); slices.Equal(lines, []string{"no difference but the number"}) {
			t.Errorf("%s is signed and not shown", path)
		}
	})
	if lines := rosterChanges(fullRoster(), fullRoster()); len(lines) != 1 || seen < 20 {
		t.Errorf("%d fields; the same roster differs: %q", seen, lines)
	}
	turned := fullRoster()
	turned.Admins = append(turned.Admins, identity.AdminEntry{Name: "bob", Key: rootChangeKey})
	back := turned
	back.Admins = []identity.AdminEntry{turned.Admins[1], turned.Admins[0]}
	if lines := rosterChanges(turned, back); !slices.Equal(lines, []string{"! admin: the same in another order"}) {
		t.Errorf("%q", lines)
	}
}

func TestAllOfARevocationIsShown(t *testing.T) {
	until := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	full := identity.Revocation{ID: ids(1)[0], What: "token", Key: rootChangeKey, Hosts: true, Until: until}
	var r RootChange
	for name, change := range map[string]func(*identity.Revocation){
		"ID": func(v *identity.Revocation) { v.ID = ids(2)[1] }, "What": func(v *identity.Revocation) { v.What = "node" },
		"Key":   func(v *identity.Revocation) { v.Key = identity.NewKey[identity.Admin]().Public() },
		"Hosts": func(v *identity.Revocation) { v.Hosts = false }, "Until": func(v *identity.Revocation) { v.Until = until.Add(time.Second) },
	} {
		other := full
		change(&other)
		if r.revocation(full) == r.revocation(other) {
			t.Errorf("%s is signed and not shown", name)
		}
		// What is in force already is not shown again, but only if it is the same.
		r := RootChange{InForce: &identity.Roster{Revoked: map[identity.ID]identity.Revocation{full.ID: full}}}
		if lines := r.revocations([]identity.Revocation{other}); strings.Contains(strings.Join(lines, ""), "already") {
			t.Errorf("another %s counts as known: %q", name, lines)
		}
		if lines := r.revocations([]identity.Revocation{full}); !slices.Equal(lines, []string{"1 more that are in force already"}) {
			t.Errorf("%q", lines)
		}
	}
	if n := reflect.TypeFor[identity.Revocation]().NumField(); n != 6 { // and Document, which is not signed
		t.Errorf("a revocation has %d fields; is the new one shown?", n)
	}
}

// No text of a roster can pass for another line or another part of one.
func TestRosterChangesAreNotForged(t *testing.T) {
	for _, evil := range []string{"a\nb", "\x1b[2K", "a\u202eb", `x" , key fleet-admin:y`} {
		other := fullRoster()
		other.Fleet, other.Admins[0].Name, other.Roles[0].Name, other.Kept[0].By = evil, evil, evil, evil
		other.Admins[0].Roles, other.Roles[0].Rules[0].Hosts = []string{evil}, evil
		other.Roles[0].Rules[0].Args = map[string]string{evil: evil}
		var b strings.Builder
		lines := rosterChanges(fullRoster(), other)
		section(&b, "x", lines)
		if got := strings.Count(b.String(), "\n"); got != len(lines)+1 || strings.ContainsAny(b.String(), "\x1b\u202e") || strings.Contains(b.String(), `x" , key`) {
			t.Errorf("%q: %q", evil, b.String())
		}
	}
}
