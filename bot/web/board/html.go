package board

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"

	"irisops/bot/message"
)

// functions that the templates use.
var functions = template.FuncMap{
	"inline": inline,
	"paras":  paragraphs,
	"word":   levelWord,
	"mark":   itemMark,
	"dict":   dict,
}

var (
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	incidents = regexp.MustCompile(`\bINC-([0-9]{1,18})\b`)
)

// inline is a line of text: what stands in backquotes is code, and incidents
// are links. Everything else is escaped.
func inline(text string) template.HTML {
	var out strings.Builder
	for len(text) > 0 {
		at := quoted.FindStringSubmatchIndex(text)
		if at == nil {
			out.WriteString(linked(text))
			break
		}
		out.WriteString(linked(text[:at[0]]))
		out.WriteString("<code>" + template.HTMLEscapeString(text[at[2]:at[3]]) + "</code>")
		text = text[at[1]:]
	}
	return template.HTML(out.String()) //nolint:gosec // escaped piece by piece
}

func linked(text string) string {
	return incidents.ReplaceAllString(template.HTMLEscapeString(text), `<a href="/incidents/$1">INC-$1</a>`)
}

// paragraph is a run of lines; a list if its lines begin with bullets.
type paragraph struct {
	List  bool
	Lines []string
}

func paragraphs(text string) []paragraph {
	var all []paragraph
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n ")
		item, list := strings.CutPrefix(strings.TrimLeft(line, " "), "- ")
		if !list {
			item = line
		}
		if line == "" {
			all = append(all, paragraph{})
			continue
		}
		if n := len(all); n == 0 || all[n-1].List != list || len(all[n-1].Lines) == 0 {
			all = append(all, paragraph{List: list})
		}
		last := &all[len(all)-1]
		last.Lines = append(last.Lines, item)
	}
	kept := all[:0]
	for _, p := range all {
		if len(p.Lines) > 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// levelWord is the level written out, so that colour is never alone.
func levelWord(l message.Level) string {
	switch l {
	case message.Info:
		return ""
	case message.OK:
		return "OK"
	}
	return strings.ToUpper(string(l))
}

// itemMark is how a step of a checklist stands, as a sign and as a word.
func itemMark(s message.ItemState) string {
	return map[message.ItemState]string{
		message.Pending: "○ pending", message.Running: "▶ running", message.Done: "✓ done",
		message.Failed: "✗ failed", message.Uncertain: "? unknown", message.Skipped: "– skipped",
	}[s]
}

// dict hands several values to a template.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict wants pairs")
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict wants names")
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}
