package gate

import (
	"strings"
	"testing"

	"fleet/policy"
)

// What Can says of a job is what Judge does with it; and it leaves nothing in the journal.
func TestCan(t *testing.T) {
	tests := []struct {
		admin, plugin, action, service string
		targets                        int
		file                           string
		allowed, waits                 bool
		by, but                        string
	}{
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", allowed: true, by: "role ops, rule 1: service.*"},
		{admin: "ann", plugin: "package", action: "purge", service: "nginx", by: "no role of ann allows package.purge"},
		{admin: "bob", plugin: "service", action: "restart", service: "nginx", by: "no admin called bob in roster version 1"},
		{admin: "ann", plugin: "service", action: "restart", service: "--now", allowed: true, by: "rule 1", but: "does not match"},
		{admin: "ann", plugin: "nothing", action: "restart", service: "nginx", allowed: true, by: "rule 2", but: "no action nothing restart"},
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", by: "policy:1",
			file: "[[rule]]\ndecision = \"deny\"\naction = [\"service.restart\"]\nwhen = \"hagroup=c\"\n"},
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", targets: 1, allowed: true, by: "policy:1",
			file: "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 20\n"},
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", targets: 2, waits: true, by: "policy:1",
			file: "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 20\n"},
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", waits: true, by: "policy:1",
			file: "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 20\n"},
		{admin: "ann", plugin: "service", action: "restart", service: "nginx", by: "this host changes nothing until its policy file is mended", file: "nonsense"},
		{admin: "ann", plugin: "service", action: "status", service: "nginx", allowed: true, by: "role ops, rule 1", file: "nonsense"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.hosts = 9
		w.gate.Policy = func() (policy.File, error) { return policy.Parse("policy", []byte(tt.file)) }
		got, but := w.gate.Can(t.Context(), tt.admin, tt.plugin, tt.action, map[string]string{"service": tt.service}, tt.targets)
		if got.Allowed != tt.allowed || got.Waits != tt.waits || !strings.Contains(got.By, tt.by) {
			t.Errorf("%+v: got %+v", tt, got)
		}
		if (but == nil) != (tt.but == "") || but != nil && !strings.Contains(but.Error(), tt.but) {
			t.Errorf("%+v: but %v", tt, but)
		}
	}
}
