package command

import (
	"strings"
)

// Small helpers for sentences.

// code marks a command as something to type.
func code(s string) string { return "`" + s + "`" }

// example is a line that works, to be copied.
func example(line string) string { return "For example: " + code(line) + "." }

func codes(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, code(s))
	}
	return out
}

// quoted is what a person typed, within a sentence: clipped, on one line.
func quoted(s string) string { return `"` + clip(s) + `"` }

func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// list is a, b or c.
func list(items []string, last string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	n := len(items) - 1
	return strings.Join(items[:n], ", ") + " " + last + " " + items[n]
}

func prefixed(prefix string, items []string) []string {
	var out []string
	for _, s := range items {
		out = append(out, prefix+s)
	}
	return out
}

// sentences joins those that are not empty.
func sentences(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, " ")
}

// spaced is a parameter's name in a sentence.
func spaced(name string) string {
	return strings.ReplaceAll(name, "-", " ")
}

func withArticle(noun string) string {
	if strings.HasPrefix(noun, "us") || strings.HasPrefix(noun, "uni") {
		return "a " + noun
	}
	if noun != "" && strings.ContainsRune("aeiou", rune(strings.ToLower(noun)[0])) {
		return "an " + noun
	}
	return "a " + noun
}
