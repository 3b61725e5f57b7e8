package main

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var example = regexp.MustCompile("(?s)<!-- (\\S+\\.go) -->\n```go\n(.*?)```")

// TestContributingExamples compiles the examples of CONTRIBUTING.md in their
// places, as somebody would who follows it.
func TestContributingExamples(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json")}
	for _, e := range example.FindAllSubmatch(text, -1) {
		path := string(e[1])
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, e[2], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			t.Errorf("%s exists: the example is none any more", path)
		}
		overlay.Replace[filepath.Join(root, path)] = file
		args = append(args, "./"+filepath.Dir(path))
	}
	if len(overlay.Replace) != 4 {
		t.Fatalf("%d examples, want a check, an action, a pager back end and its config", len(overlay.Replace))
	}
	for path, text := range patched(t, root, string(text)) {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, path)] = file
		args = append(args, "./"+filepath.Dir(path))
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the examples do not compile: %v\n%s", err, out)
	}
}

var patch = regexp.MustCompile("(?s)```diff\n(.*?)```")

// patched are the files that the page's diffs change, as they are then. A diff
// here has no numbers: what it shows of a file stands there once.
func patched(t *testing.T, root, page string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, p := range patch.FindAllStringSubmatch(page, -1) {
		for _, file := range strings.Split("\n"+p[1], "\n--- ")[1:] {
			path, hunks, _ := strings.Cut(file, "\n")
			before, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			text := string(before)
			for _, hunk := range strings.Split(hunks, "@@\n") {
				var is, becomes strings.Builder
				for line := range strings.Lines(strings.TrimSuffix(hunk, "\n") + "\n") {
					if line[0] != '+' {
						is.WriteString(line[1:])
					}
					if line[0] != '-' {
						becomes.WriteString(line[1:])
					}
				}
				if n := strings.Count(text, "\n"+is.String()); n != 1 {
					t.Errorf("%s has %d times\n%s", path, n, is.String())
				}
				text = strings.Replace(text, "\n"+is.String(), "\n"+becomes.String(), 1)
			}
			if tidy, err := format.Source([]byte(text)); err != nil || string(tidy) != text {
				t.Errorf("%s is not as gofmt has it: %v", path, err)
			}
			files[path] = text
		}
	}
	if len(files) == 0 {
		t.Error("the page changes no file")
	}
	return files
}
