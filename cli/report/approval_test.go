package report

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
)

// notShown are the fields of a job that who approves it need not see, each with its why. There is none.
var notShown = map[string]string{}

func ids(n int) (list []identity.ID) {
	for i := range n {
		list = append(list, identity.ID(strings.Repeat(string(rune('a'+i)), 26)))
	}
	return list
}

// approvable is a job that has something in each of its fields.
func approvable(t *testing.T) Approval {
	t.Helper()
	signer := identity.NewKey[identity.Admin]()
	signed := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hosts := ids(3)
	j := job.Job{
		Protocol: 1, ID: "01KJM0BT00000000000000000A", Fleet: ids(26)[25], Signer: signer.Public(), Issued: signed.UnixMilli(), Expires: signed.Add(30 * time.Minute).UnixMilli(),
		Mode: job.Run, Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx", "force": true, "wait": int64(30), "load": 2.0},
		Filter:  filter.Filter{Identities: []string{"web*"}, Facts: []string{"hagroup=c"}, Classes: []string{"web"}, Agents: []string{"service"}, Selects: []string{"a=b or c=d"}},
		Targets: hosts, Planned: signed.Add(-time.Second).UnixMilli(), SealTo: []byte{4, 4, 4}, Secrets: map[identity.ID][]byte{hosts[0]: {1}, hosts[1]: {2}}, Reason: "ticket 4711",
		Needs: []job.WantedDocument{{Kind: "roster", Name: "roster", Version: 7, Hash: []byte{1, 2}}},
		Plan:  job.Plan{ID: "01KJM0BT00000000000000000P", Hash: job.Hash{7}, Total: 9, Part: 1, Parts: 3, Position: 3},
	}
	restart := plugin.Action{Name: "restart", Kind: plugin.Change, Inputs: []plugin.Input{{Name: "service"}, {Name: "wait"}, {Name: "load"}, {Name: "force"}}}
	meaning, err := restart.Meaning(j.Args)
	if err != nil {
		t.Fatal(err)
	}
	j.Declared = job.Declared{Change: true, Meaning: meaning}
	says := func(id identity.ID, name string, o client.Outcome, labels map[string]string) client.Outcome {
		o.Node, o.Name, o.Identity = id, name, identity.NodeIdentity{ID: id, Name: name, Labels: labels}
		return o
	}
	return Approval{
		Job: j, Fleet: "acme", Signer: identity.AdminEntry{Name: "bob", Key: signer.Public(), Roles: []string{"ops"}}, Now: signed.Add(10 * time.Minute),
		Known: true, Action: restart,
		Answers: client.Run{Outcomes: []client.Outcome{
			says(hosts[0], "web2", client.Outcome{State: job.OK}, map[string]string{"env": "prod", "site": "x"}),
			says(hosts[1], "web1", client.Outcome{State: job.Denied, Message: "role dev may not"}, nil),
			{Node: hosts[2], State: job.Silent, Message: "the brokers no longer know it"},
		}},
	}
}

func TestApprovalScreen(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	a := approvable(t)
	want := `job 01KJM0BT00000000000000000A asks for your signature:
  signed by  bob (key KEY, roles: ops)
  reason     "ticket 4711"
  action     service restart (changes hosts)
  arguments  service="nginx"
             wait=30
             load=2.0
             force=true
  secrets    sealed to 2 hosts, which alone can read their names and values
             none for cccccccccccccccccccccccccc
  hosts      exactly 3 hosts; nobody can name 1 of them:
             (no name)  cccccccccccccccccccccccccc  labels not known  (it did not answer: the brokers no longer know it)
             web1  bbbbbbbbbbbbbbbbbbbbbbbbbb  no labels  (would refuse it with your signature: "role dev may not")
             web2  aaaaaaaaaaaaaaaaaaaaaaaaaa  env="prod" site="x"  (your signature counts there)
  plan       portion 2 of 3 of the plan "01KJM0BT00000000000000000P", for 9 hosts in all (hash 07` + strings.Repeat("0", 62) + `)
             3 hosts come before these
  filter     a host that does not match all of it skips the job:
             -I "web*"
             -F "hagroup=c"
             -C "web"
             -A "service"
             -S "a=b or c=d"
  admitted   only hosts that were admitted by 2026-03-01 11:59:59 UTC
  needs      "roster" "roster" version 7 (hash 0102), or a newer one, on each host
  time       signed 2026-03-01 12:00:00 UTC; must be started by 2026-03-01 12:30:00 UTC, within 20m0s from now
  approved   by nobody yet
  replies    sealed to the key 040404, which the signer has
  format     protocol 1, mode "run", fleet "acme" (` + strings.Repeat("z", 26) + `)
`
	if got := strings.ReplaceAll(a.Text(), string(a.Job.Signer.ID()), "KEY"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	a.Listed = []job.Member{{Node: ids(3)[2], Name: "db1"}}
	if got := a.Text(); !strings.Contains(got, `db1  cccccccccccccccccccccccccc  labels not known  (named by a broker, not by itself: it did not answer`) || strings.Contains(got, "nobody can name") {
		t.Errorf("got\n%s", got)
	}
}

// What the signer's release takes the action for is said beside the action, where yours takes it for another.
func TestApprovalSaysWhatTheSignerTookItFor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Approval)
		want   string
	}{
		{"a read", func(a *Approval) { a.Job.Declared.Change = false }, "(changes nothing, says its signer, whose release of fleet knows another declaration of it than yours ("},
		{"other inputs", func(a *Approval) { a.Job.Declared.Meaning = job.Hash{0xab} }, "(changes hosts, says its signer, whose release of fleet knows another declaration of it than yours (ab00"},
		{"not known here", func(a *Approval) { a.Known, a.Action = false, plugin.Action{} }, "(changes hosts, says its signer; this release of fleet does not know the action (declaration "},
	} {
		a := approvable(t)
		tt.change(&a)
		if text := a.Text(); !strings.Contains(text, "service restart "+tt.want) {
			t.Errorf("%s:\n%s", tt.name, text)
		}
	}
}

// Nothing that is signed may be invisible to who signs it too: each field of a job, whatever is added to it, changes the screen.
func TestAllThatIsSignedIsShown(t *testing.T) {
	base := approvable(t)
	shown := base.Text()
	var walk func(path string, field func(*job.Job) reflect.Value)
	walk = func(path string, field func(*job.Job) reflect.Value) {
		a := base
		v := field(&a.Job)
		if path == "Signer" { // its fields are not to be set from outside
			a.Job.Signer = identity.NewKey[identity.Admin]().Public()
		} else if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				walk(strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), func(j *job.Job) reflect.Value { return field(j).Field(i) })
			}
			return
		} else {
			alter(t, path, v)
		}
		switch got := a.Text(); {
		case notShown[path] != "":
			if got != shown {
				t.Errorf("%s is shown; take it off the list", path)
			}
		case got == shown:
			t.Errorf("%s is signed and not shown", path)
		}
	}
	walk("", func(j *job.Job) reflect.Value { return reflect.ValueOf(j).Elem() })
}

// alter gives a field another value. Lists and maps are copied: the other jobs keep theirs.
func alter(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("altered")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int64:
		v.SetInt(v.Int() + 1000)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Array:
		alter(t, path, v.Index(v.Len()-1))
	case reflect.Slice:
		longer := reflect.MakeSlice(v.Type(), v.Len()+1, v.Len()+1)
		reflect.Copy(longer, v)
		alter(t, path, longer.Index(v.Len()))
		v.Set(longer)
	case reflect.Struct:
		for i := range v.NumField() {
			alter(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Map:
		fewer := reflect.MakeMap(v.Type())
		for i, key := range v.MapKeys() {
			if i > 0 {
				fewer.SetMapIndex(key, v.MapIndex(key))
			}
		}
		v.Set(fewer)
	default:
		t.Fatalf("%s is a %s, and this test does not know how to alter that", path, v.Kind())
	}
}

// No text of a job can pass for another line, another argument or the end of its own quotes.
func TestApprovalScreenIsNotForged(t *testing.T) {
	lines := func(a Approval) int { return strings.Count(a.Text(), "\n") }
	base := approvable(t)
	for _, evil := range []string{
		"nginx\" force=false", "a\nb", "a\r  hosts      exactly 0 hosts:", "\x1b[2K\x1b[1A", "a\u202eb", `a" (your signature counts there)`, `\`, "\u2028", "a\u0300\u0301\u0302\u0303\u0304\u0305", "\u3164",
	} {
		for name, set := range map[string]func(*Approval){
			"argument": func(a *Approval) {
				a.Job.Args = map[string]any{"service": evil, "force": true, "wait": int64(30), "load": 2.0}
			},
			"argument list": func(a *Approval) {
				a.Job.Args = map[string]any{"service": []any{evil}, "force": true, "wait": int64(30), "load": 2.0}
			},
			"argument name": func(a *Approval) {
				a.Job.Args = map[string]any{evil: "nginx", "force": true, "wait": int64(30), "load": 2.0}
			},
			"reason":       func(a *Approval) { a.Job.Reason = evil },
			"filter":       func(a *Approval) { a.Job.Filter.Selects = []string{evil} },
			"host's words": func(a *Approval) { a.Answers.Outcomes[1].Message = evil },
			"label": func(a *Approval) {
				a.Answers.Outcomes[0].Identity.Labels = map[string]string{"env": evil, "site": "x"}
			},
		} {
			a := approvable(t)
			set(&a)
			text := a.Text()
			if got, want := strings.Count(text, "\n"), lines(base); got != want {
				t.Errorf("%s %q: %d lines instead of %d\n%s", name, evil, got, want, text)
			}
			if !strings.Contains(text, Quoted(evil)) && name != "argument list" {
				t.Errorf("%s %q is not shown as it is\n%s", name, evil, text)
			}
			if plainText := strings.ReplaceAll(text, "\n", ""); Sanitise(plainText) != plainText {
				t.Errorf("%s %q reaches the terminal\n%q", name, evil, text)
			}
		}
	}
}
