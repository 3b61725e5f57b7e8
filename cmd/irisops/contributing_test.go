package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		file := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, e[2], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			t.Errorf("%s exists: the example is none any more", path)
		}
		overlay.Replace[filepath.Join(root, path)] = file
		args = append(args, "./"+filepath.Dir(path))
	}
	if len(overlay.Replace) != 3 {
		t.Fatalf("%d examples, want a check, an action and a pager back end", len(overlay.Replace))
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
