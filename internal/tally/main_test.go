package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	tests := []struct {
		name, events, ledger string
		shown                []string
	}{
		{"a test and its subtest pass", `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA/x","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0.5}
`, "pass\tp.TestA/x\npass\tp.TestA\n", []string{"2 passed, 0 skipped  (0.5 s)"}},
		{"a failed test is shown", `{"Action":"output","Package":"p","Test":"TestA","Output":"a_test.go:1: oh {\"Action\":\"pass\"}\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}
`, "fail\tp.TestA\n", []string{`oh {"Action":"pass"}`, "1 FAILED"}},
		{"a skip has its reason", `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:12: no dnf here\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`, "skip\tp.TestA\tno dnf here\n", []string{"NOT RUN: p.TestA: no dnf here"}},
		{"a skip without a word", `{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`, "skip\tp.TestA\tno reason given\n", nil},
		{"what does not build counts", `{"ImportPath":"p [p.test]","Action":"build-output","Output":"a.go:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`, "fail\tp\n", []string{"undefined: x", "build failed"}},
		{"a panic counts, with its words", `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: gone\n"}
{"Action":"fail","Package":"p"}
`, "fail\tp\n", []string{"panic: gone"}},
		{"a race is a failure", `{"Action":"output","Package":"p","Test":"TestB","Output":"WARNING: DATA RACE\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}
`, "fail\tp.TestB\n", nil},
		{"cut off in the middle", `{"Action":"pass","Package":"p","Test":"TestA"}
`, "pass\tp.TestA\nfail\tp\n", nil},
		{"no test files", `{"Action":"skip","Package":"p"}
`, "", nil},
		{"words of go test itself are shown", "go: no such tool\n", "", []string{"go: no such tool\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var ledger, out strings.Builder
			if err := newTally(&ledger, &out).read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if ledger.String() != tt.ledger {
				t.Errorf("ledger:\n%swant:\n%s", ledger.String(), tt.ledger)
			}
			for _, want := range tt.shown {
				if !strings.Contains(out.String(), want) {
					t.Errorf("shown:\n%swant it to have %q", out.String(), want)
				}
			}
		})
	}
}
