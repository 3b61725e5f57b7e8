package config

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var snippet = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// TestSnippets: each piece of a config in the docs, put into the example, is good.
func TestSnippets(t *testing.T) {
	tried := 0
	for _, page := range []string{"paging.md", "slack.md"} {
		text, err := os.ReadFile("../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range snippet.FindAllStringSubmatch(string(text), -1) {
			var piece map[string]any
			if err := yaml.Unmarshal([]byte(outdented(found[1])), &piece); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, found[1])
				continue
			}
			if piece["receivers"] != nil { // Alertmanager's
				continue
			}
			tried++
			f := newFiles(t)
			f.write(t, "ntfy", "Bearer tk_1\n", 0o600)
			f.write(t, "genie", "GenieKey 1\n", 0o600)
			whole, err := yaml.Marshal(within(t, piece))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.load(t, string(whole)); err != nil {
				t.Errorf("%s:\n%s\n%v", page, found[1], err)
			}
		}
	}
	if tried < 8 {
		t.Errorf("%d pieces tried", tried)
	}
}

// TestShortestIsInTheReadme, to the letter.
func TestShortestIsInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```yaml\n"+Shortest+"```") {
		t.Errorf("the README's first config has to be\n%s", Shortest)
	}
}

// within is the example with what the piece says; a person stays who is not in it.
func within(t *testing.T, piece map[string]any) map[string]any {
	t.Helper()
	var whole map[string]any
	if err := yaml.Unmarshal([]byte(example(t)), &whole); err != nil {
		t.Fatal(err)
	}
	whole["clusters"] = append(whole["clusters"].([]any), map[string]any{"name": "eu", "cookie_file": "/etc/irisops/cookie",
		"nodes": []any{map[string]any{"short": "core", "name": "iris_eu@h1", "role": "core", "dir": "/srv/iris", "log": "eu.log"}}})
	people, _ := whole["people"].([]any)
	webhooks, _ := whole["webhooks"].(map[string]any)
	maps.Copy(whole, piece)
	if given, ok := piece["people"].([]any); ok {
		for i, p := range people {
			for _, g := range given {
				if g.(map[string]any)["id"] == p.(map[string]any)["id"] {
					people[i] = g
				}
			}
		}
	}
	whole["people"] = people
	if given, ok := piece["webhooks"].(map[string]any); ok {
		maps.Copy(webhooks, given)
	}
	whole["webhooks"] = webhooks
	return whole
}

// outdented takes off what a list in Markdown puts in front.
func outdented(text string) string {
	margin := text[:len(text)-len(strings.TrimLeft(text, " "))]
	return strings.ReplaceAll("\n"+text, "\n"+margin, "\n")
}
