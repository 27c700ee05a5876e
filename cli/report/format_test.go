package report

import "testing"

// A host's text must not become a formula in the spreadsheet of whoever opens the report.
func TestCellsAreNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"web1":               "web1",
		"nginx-1.2":          "nginx-1.2",
		"-":                  "-",
		"-3":                 "-3",
		"+0.5":               "+0.5",
		"-1e9":               "-1e9",
		"-Inf":               "'-Inf",
		"-1+1":               "'-1+1",
		"=1+1":               "'=1+1",
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
		"@SUM(A1)":           "'@SUM(A1)",
		"+1-555-0100":        "'+1-555-0100",
		"  =1":               "'  =1",
		"a;=1+1":             "\"a;=1+1\"",
		"a,b":                "\"a,b\"",
		" a":                 "\" a\"",
		"\"=1":               "\"'\"\"=1\"",
		"＝1":                 "'＝1",
		"\t=1":               "\\t=1", // escaped like everything that a terminal would obey
	} {
		if got := cell(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	got, err := document{header: []string{"host", "value"}, rows: [][]string{{"web1", "=1+1"}}}.encode(CSV)
	if err != nil || string(got) != "host,value\nweb1,'=1+1\n" {
		t.Errorf("%q, %v", got, err)
	}
}
