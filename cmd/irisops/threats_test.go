package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testNamed   = regexp.MustCompile("`((?:Test|Fuzz)\\w+)(?:/([a-z-]+))?`")
	testDefined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestDefencesHaveTests: every test that docs/threats.md names is there, and what
// it says of a kind of attacker names one, in its tables line by line.
func TestDefencesHaveTests(t *testing.T) {
	root := filepath.Join("..", "..")
	defined := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "build" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, f := range testDefined.FindAllSubmatch(text, -1) {
			defined[string(f[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/threats.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(page), "\n## ")[1:]
	if len(sections) < 8 {
		t.Fatalf("%d kinds of attackers", len(sections))
	}
	for _, section := range sections {
		title, text, _ := strings.Cut(section, "\n")
		named := testNamed.FindAllStringSubmatch(text, -1)
		if len(named) == 0 {
			t.Errorf("%s: no test", title)
		}
		for _, n := range named {
			if !defined[n[1]] {
				t.Errorf("%s: there is no %s", title, n[1])
			}
			if n[2] == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, "bot/testdata", n[2]+".txtar")); n[1] != "TestConversations" || err != nil {
				t.Errorf("%s: there is no %s/%s", title, n[1], n[2])
			}
		}
		shown := false // the table says by what it is shown
		for line := range strings.Lines(text) {
			switch {
			case !strings.HasPrefix(line, "|"):
				shown = false
			case strings.HasSuffix(strings.TrimSpace(line), "shown by |"):
				shown = true
			case shown && !strings.HasPrefix(line, "| ---") && !testNamed.MatchString(line):
				t.Errorf("%s: nothing shows this: %s", title, line)
			}
		}
	}
}
