package plugin

import (
	"strings"
	"testing"
)

var install = Action{
	Name: "install", Kind: Change,
	Inputs: []Input{
		{Name: "package", Prompt: "Package name", Type: String, Positional: true, Pattern: `[A-Za-z0-9][A-Za-z0-9._+-]*`, MaxLength: 90},
		{Name: "version", Prompt: "Version", Type: String, Optional: true},
		{Name: "force", Prompt: "Force", Type: Boolean, Default: false},
		{Name: "tries", Prompt: "Tries", Type: Integer, Optional: true},
		{Name: "mode", Prompt: "Mode", Type: List, Choices: []string{"fast", "slow"}, Optional: true},
		{Name: "load", Prompt: "Load", Type: Float, Optional: true},
	},
}

func TestParse(t *testing.T) {
	tests := []struct {
		name  string
		words map[string]string
		want  Args
		err   string
	}{
		{"defaults are filled in", map[string]string{"package": "nginx"}, Args{"package": "nginx", "force": false}, ""},
		{"words are cast", map[string]string{"package": "g++", "force": "yes", "tries": "3", "mode": "slow", "load": "1.5"},
			Args{"package": "g++", "force": true, "tries": int64(3), "mode": "slow", "load": 1.5}, ""},
		{"missing", nil, nil, "install needs package (Package name)"},
		{"unknown", map[string]string{"pakage": "x"}, nil, `install has no argument "pakage"; it takes package, version`},
		{"an option is no name", map[string]string{"package": "--purge"}, nil, "does not match"},
		{"a pattern is anchored", map[string]string{"package": "a b"}, nil, "does not match"},
		{"newline", map[string]string{"package": "a\nb"}, nil, "cannot be printed"},
		{"NUL", map[string]string{"package": "nginx", "version": "1\x00"}, nil, "cannot be printed"},
		{"not UTF-8", map[string]string{"package": "nginx", "version": "\xff"}, nil, "UTF-8"},
		{"too long", map[string]string{"package": strings.Repeat("a", 91)}, nil, "91 bytes long, at most 90"},
		{"empty", map[string]string{"package": ""}, nil, "is empty"},
		{"not a number", map[string]string{"package": "a", "tries": "3.5"}, nil, "not a whole number"},
		{"infinite", map[string]string{"package": "a", "load": "inf"}, nil, "finite"},
		{"not a choice", map[string]string{"package": "a", "mode": "medium"}, nil, "one of fast, slow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := install.Parse(tt.words)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, %v; want an error with %q", got, err, tt.err)
				}
				return
			}
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("got %v, %v; want %v", got, err, tt.want)
			}
			for k, v := range tt.want {
				if got[k] != v {
					t.Errorf("%s = %#v, want %#v", k, got[k], v)
				}
			}
		})
	}
}

// A host must not trust that the asker checked: Check alone refuses values of the wrong Go type.
func TestCheckRefusesWrongTypes(t *testing.T) {
	for _, args := range []Args{
		{"package": int64(1)}, {"package": nil}, {"package": "a", "force": "true"}, {"package": "a", "tries": 1.0}, {"package": []any{"a"}},
	} {
		if got, err := install.Check(args); err == nil {
			t.Errorf("Check(%v) = %v, want an error", args, got)
		}
	}
}
