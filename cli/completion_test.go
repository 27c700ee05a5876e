package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fleet/plugins"
)

// The bash script is run by bash, as a person pressing TAB would.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: there is no bash here to run the completion with")
	}
	e := &env{declarations: plugins.BuiltinDeclarations()}
	script := filepath.Join(t.TempDir(), "fleet.bash")
	if err := os.WriteFile(script, []byte(bashCompletion(completable(e))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, line, want string }{
		{"verbs", "fleet pi", "ping"},
		{"plugins are verbs", "fleet serv", "service"},
		{"plugins", "fleet run pack", "package"},
		{"actions", "fleet run service re", "restart reload"},
		{"a command goes before a plugin of its name", "fleet node ins", "install"},
		{"whose actions are under run", "fleet run node st", "status"},
		{"actions without run", "fleet service st", "status start stop"},
		{"arguments", "fleet package install v", "version="},
		{"an action behind its value", "fleet service nginx resta", "restart"},
		{"values of options are no words", "fleet service -W hagroup=a resta", "restart"},
		{"options", "fleet ping --gr", "--graph"},
		{"an option's values", "fleet ping -o js", "json jsonl"},
		{"subverbs", "fleet filter e", "explain"},
		{"shells", "fleet completion z", "zsh"},
		{"help", "fleet help filt", "filter filters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			words := strings.Split(tt.line, " ")
			args := append([]string{"--norc", "-c", `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fleet; echo "${COMPREPLY[*]}"`, "bash", script}, words...)
			out, err := exec.Command(bash, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := strings.TrimSpace(string(out)); got != tt.want {
				t.Errorf("%s<TAB> gives %q, want %q", tt.line, got, tt.want)
			}
		})
	}
}

// Every command and every flag is in each script and in the man page, and each has something to say of itself.
func TestNothingIsLeftOut(t *testing.T) {
	e := &env{declarations: plugins.BuiltinDeclarations()}
	table := verbs(e)
	texts := map[string]string{
		"bash": bashCompletion(completable(e)), "fish": fishCompletion(completable(e)), "man": manPage(table), "overview": overview(table),
	}
	eachVerb(table, func(path []string, v verb) {
		name := strings.Join(path, " ")
		if v.brief == "" || v.do == nil && len(v.subverbs) == 0 {
			t.Errorf("%s says or does nothing", name)
		}
		if len(path) == 1 && !strings.Contains(texts["overview"], "\n  "+v.name+" ") {
			t.Errorf("%s is not in the overview", name)
		}
		help := verbHelp(path, v)
		for _, f := range v.flags {
			row := flagRow(f)
			if row[1] == "" || !strings.Contains(help, row[0]) {
				t.Errorf("%s: %s is not explained", name, row[0])
			}
			for _, n := range f.Names() {
				if !strings.Contains(texts["bash"], dashed(n)) || !strings.Contains(texts["man"], roff(dashed(n))) {
					t.Errorf("%s: %s is missing in bash's completion or the man page", name, dashed(n))
				}
			}
		}
		if !strings.Contains(texts["man"], roff("fleet "+name)) || !strings.Contains(texts["fish"], "'"+v.name+"'") {
			t.Errorf("%s is missing in the man page or fish's completion", name)
		}
	})
}

func TestManPageIsRoff(t *testing.T) {
	for l := range strings.Lines(manPage(verbs(&env{declarations: plugins.BuiltinDeclarations()}))) {
		l = strings.TrimSuffix(l, "\n")
		if request, _, _ := strings.Cut(l, " "); strings.HasPrefix(l, ".") && !strings.Contains(" .TH .SH .SS .PP .TP .B .nf .fi ", " "+request+" ") {
			t.Errorf("%q is taken for a request", l)
		}
		if strings.HasPrefix(l, "'") {
			t.Errorf("%q is taken for a request", l)
		}
	}
}
