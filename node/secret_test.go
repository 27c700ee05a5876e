package node_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/plugin"
)

// safe takes a secret and says how long it is.
type safe struct{ got chan string }

func (safe) Declaration() plugin.Declaration {
	return plugin.Declaration{Name: "vault", Description: "Takes a secret.", Timeout: time.Minute, Actions: []plugin.Action{{
		Name: "put", Description: "Puts it.", Kind: plugin.Change,
		Inputs: []plugin.Input{
			{Name: "user", Prompt: "User", Type: plugin.String},
			{Name: "password", Prompt: "Password", Type: plugin.String, Secret: true},
		}}}}
}

func (v safe) Run(_ context.Context, c plugin.Call) plugin.Result {
	v.got <- c.Args.String("user") + "/" + c.Args.String("password")
	return plugin.Result{State: plugin.OK, Message: "put"}
}

// A secret argument reaches the plugin of its target, and is nowhere else: not in the job, the journal, the audit, the log.
func TestASecretArgumentReachesThePluginOnly(t *testing.T) {
	const secret = "correct-horse-battery"
	got := make(chan string, 4)
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{safe{got}} }
	f.First().Start()
	c := f.Client()
	r := client.Request{Plugin: "vault", Action: "put", Args: map[string]any{"user": "ann"}, Timeout: 20 * time.Second}
	plan, err := c.Plan(t.Context(), r, nil)
	if err != nil || len(plan.Targets) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	r.Targets, r.Secret = plan.Targets, map[string]any{"password": secret}
	p, err := c.Prepare(r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(p.Signed, []byte(secret)) {
		t.Error("the job shows the secret")
	}
	run, err := c.Submit(t.Context(), p, 20*time.Second, nil)
	if err != nil || len(run.Outcomes) != 1 || run.Outcomes[0].State != job.OK {
		t.Fatalf("%+v, %v", run, err)
	}
	if v := <-got; v != "ann/"+secret {
		t.Errorf("the plugin got %q", v)
	}

	for name, change := range map[string]func(*client.Request){
		"left out":                 func(r *client.Request) { r.Secret = nil },
		"in the open":              func(r *client.Request) { r.Args, r.Secret = map[string]any{"user": "ann", "password": secret}, nil },
		"one that is not a secret": func(r *client.Request) { r.Secret = map[string]any{"password": secret, "user": "bob"} },
		"sealed to another host": func(r *client.Request) {
			r.Targets = []client.Target{r.Targets[0]}
			r.Targets[0].Seal = identity.NewSealKey().Public()
		},
		"under a name of no input": func(r *client.Request) { r.Secret = map[string]any{"password": secret, "pin": "1"} },
	} {
		t.Run(name, func(t *testing.T) {
			bad := r
			change(&bad)
			run, err := c.Run(t.Context(), bad, nil)
			if err != nil || len(run.Outcomes) != 1 || run.Outcomes[0].Reason != job.ReasonArguments || strings.Contains(run.Outcomes[0].Message, secret) {
				t.Errorf("%+v, %v", run, err)
			}
		})
	}
	if len(got) > 0 {
		t.Error("the plugin ran with a bad secret")
	}
	f.First().Stop()
	err = filepath.WalkDir(f.First().Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
