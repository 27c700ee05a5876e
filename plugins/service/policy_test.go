package service

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fleet/identity"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// A rule keeps a service away, or lets nobody but one of its names in. Whatever a job calls the service, and whatever the rule does: what
// the policy lets through and systemd would restart is never the one that was to be kept away.
func TestRulesMeanTheUnit(t *testing.T) {
	names := []string{
		"ssh", "sshd", "ssh.service", "sshd.service", "ssh.socket", "nginx", "nginx.service", "my-vpn", `my\x2dvpn`, "myx2dvpn", `my\x2dvpn.service`, "my-vpn.service", "nothing",
	}
	for _, tt := range []struct {
		decision, service string   // of the rule; what no rule fits is allowed behind one that denies, and not behind one that allows
		runs              []string // the units that can be restarted under it
	}{
		{"deny", "sshd", []string{"nginx.service", "ssh.socket", `my\x2dvpn.service`}},
		{"deny", "ssh", []string{"nginx.service", "ssh.socket", `my\x2dvpn.service`}},
		{"deny", "ssh.service", []string{"nginx.service", "ssh.socket", `my\x2dvpn.service`}},
		{"deny", "sshd*", []string{"nginx.service", "ssh.socket", `my\x2dvpn.service`}},
		{"deny", "ssh*", []string{"nginx.service", `my\x2dvpn.service`}},
		{"deny", "my-vpn", []string{"nginx.service", "ssh.socket", "ssh.service"}},
		{"deny", "my-*", []string{"nginx.service", "ssh.socket", "ssh.service"}},
		{"allow", "sshd", []string{"ssh.service"}},
		{"allow", "ssh.service", []string{"ssh.service"}},
		{"allow", "sshd*", []string{}}, // an alias lets nobody in
		{"allow", "nginx", []string{"nginx.service"}},
	} {
		b := newFakeBus("ssh.service", "ssh.socket", "nginx.service", `my\x2dvpn.service`)
		b.aliases = map[string]string{"sshd.service": "ssh.service"}
		b.root = unitRoot(t, b)
		if err := os.Symlink("ssh.service", filepath.Join(b.root, "lib/systemd/system/sshd.service")); err != nil {
			t.Fatal(err)
		}
		restarted := map[string]bool{}
		b.onJob = func(_ string, props map[string]any) (string, error) {
			restarted[text(props, "Id")] = true
			up(props, b.starts)
			return "done", nil
		}
		p := b.plugin()
		file, err := policy.Parse("policy.toml", []byte(fmt.Sprintf("[[rule]]\ndecision = %q\naction = [\"service.*\"]\nargs = { service = %q }\n", tt.decision, tt.service)))
		if err != nil {
			t.Fatal(err)
		}
		roster := func() policy.Answer { return policy.Answer{Allowed: tt.decision == "deny"} }
		for _, name := range names {
			q := policy.Question{
				Signer: identity.AdminEntry{Name: "eve"}, Plugin: "service", Action: "restart", Change: true, Args: map[string]any{"service": name},
				Spellings: func(ctx context.Context, input, value string) ([]string, []string, error) {
					return p.Names(ctx, "restart", input, value)
				},
			}
			if file.Decide(t.Context(), q, roster).Allowed {
				p.Run(t.Context(), plugin.Call{Action: "restart", Args: plugin.Args{"service": name}})
			}
		}
		if got := slices.Sorted(maps.Keys(restarted)); !slices.Equal(got, slices.Sorted(slices.Values(tt.runs))) {
			t.Errorf("%s %s: restarted %q, want %q", tt.decision, tt.service, got, tt.runs)
		}
	}
}
