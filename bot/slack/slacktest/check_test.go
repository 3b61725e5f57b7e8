package slacktest

import (
	"strings"
	"testing"
)

func mrkdwn(text string) map[string]any { return map[string]any{"type": "mrkdwn", "text": text} }

func plain(text string) map[string]any { return map[string]any{"type": "plain_text", "text": text} }

func section(text string) map[string]any {
	return map[string]any{"type": "section", "text": mrkdwn(text)}
}

func row(buttons ...any) map[string]any {
	return map[string]any{"type": "actions", "elements": buttons}
}

func press(id, label string, more map[string]any) map[string]any {
	b := map[string]any{"type": "button", "action_id": id, "text": plain(label), "value": "x"}
	for k, v := range more {
		b[k] = v
	}
	return b
}

func many(n int, b any) []any {
	var all []any
	for range n {
		all = append(all, b)
	}
	return all
}

func TestCheck(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	good := []any{section(long(3000)), section("<@U01> <!channel> a &amp; b &lt;c&gt;"), row(press("a", long(75), nil), press("b", "B", map[string]any{"style": "primary"}))}
	if code, problems := Check("text", good); code != "" {
		t.Fatalf("%s %q", code, problems)
	}
	for name, tt := range map[string]struct {
		text   string
		blocks []any
		code   string
	}{
		"text too long":        {long(4001), nil, "msg_too_long"},
		"51 blocks":            {"x", many(51, section("x")), "invalid_blocks"},
		"a long section":       {"x", []any{section(long(3001))}, "invalid_blocks"},
		"an empty section":     {"x", []any{section("")}, "invalid_blocks"},
		"all too long":         {"x", many(4, section(long(2900))), "msg_blocks_too_long"},
		"11 fields":            {"x", []any{map[string]any{"type": "section", "fields": many(11, mrkdwn("x"))}}, "invalid_blocks"},
		"a long field":         {"x", []any{map[string]any{"type": "section", "fields": []any{mrkdwn(long(2001))}}}, "invalid_blocks"},
		"a long header":        {"x", []any{map[string]any{"type": "header", "text": plain(long(151))}}, "invalid_blocks"},
		"a long label":         {"x", []any{row(press("a", long(76), nil))}, "invalid_blocks"},
		"a long value":         {"x", []any{row(press("a", "A", map[string]any{"value": long(2001)}))}, "invalid_blocks"},
		"26 buttons":           {"x", []any{row(many(26, press("a", "A", nil))...)}, "invalid_blocks"},
		"the same action":      {"x", []any{row(press("a", "A", nil), press("a", "B", nil))}, "invalid_blocks"},
		"two primaries":        {"x", []any{row(press("a", "A", map[string]any{"style": "primary"}), press("b", "B", map[string]any{"style": "primary"}))}, "invalid_blocks"},
		"danger unasked":       {"x", []any{row(press("a", "A", map[string]any{"style": "danger"}))}, "invalid_blocks"},
		"a long question":      {"x", []any{row(press("a", "A", map[string]any{"confirm": map[string]any{"title": plain("x"), "text": plain(long(301)), "confirm": plain("x"), "deny": plain("x")}}))}, "invalid_blocks"},
		"an unescaped <":       {"x", []any{section("a < b")}, "invalid_blocks"},
		"an unescaped &":       {"x", []any{section("a & b")}, "invalid_blocks"},
		"somebody else's link": {"x", []any{section("<https://x|y>")}, "invalid_blocks"},
		"@here":                {"say @here", nil, "invalid_blocks"},
		"a control character":  {"x", []any{section("a\x1bb")}, "invalid_blocks"},
		"an unknown block":     {"x", []any{map[string]any{"type": "rainbow"}}, "invalid_blocks"},
	} {
		if code, _ := Check(tt.text, tt.blocks); code != tt.code {
			t.Errorf("%s: %q", name, code)
		}
	}
}
