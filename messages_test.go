package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gap is what stands for something else in a message as the docs show it: …, a NAME, a number, what is quoted.
var gap = regexp.MustCompile(`…|"[^"]*"|\b[A-Z]{2,}(:[A-Z]+)?\b|\bN\b|\d+[smhd]?`)

// Who looks a message up in OPERATING.md finds it there as fleet prints it.
func TestDocumentedMessagesExist(t *testing.T) {
	doc, err := os.ReadFile("docs/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			text, failed := os.ReadFile(path)
			source.Write(text)
			return failed
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	messages := false
	for _, line := range strings.Split(string(doc), "\n") {
		switch cells := strings.Split(line, "|"); {
		case len(cells) < 3:
			messages = false
		case strings.TrimSpace(cells[1]) == "message":
			messages = true
		case messages:
			for i, message := range strings.Split(cells[1], "`") {
				for _, part := range gap.Split(message, -1) {
					part = strings.Trim(part, " :()")
					if i%2 == 0 || len(part) < 6 {
						continue
					}
					looked++
					if !strings.Contains(source.String(), part) {
						t.Errorf("docs/OPERATING.md explains %q, but nothing prints %q", message, part)
					}
				}
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d texts were found: do the tables look otherwise now?", looked)
	}
}
