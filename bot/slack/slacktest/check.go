package slacktest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check says what Slack would answer to a message with that text and blocks: an
// error code with what is wrong, or "". The limits are those of
// https://docs.slack.dev/reference/block-kit and the JSDoc of @slack/types; for
// all blocks together a little under what slackapi/bolt-js#2509 reports.
func Check(text string, blocks []any) (code string, problems []string) {
	c := &checker{actions: map[string]bool{}, ids: map[string]bool{}}
	if n := utf8.RuneCountInString(text); n > 4_000 {
		return "msg_too_long", []string{fmt.Sprintf("text has %d characters", n)}
	}
	c.text("text", text)
	if len(blocks) > 50 {
		c.say("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		c.block(fmt.Sprintf("blocks[%d]", i), b)
	}
	switch {
	case len(c.problems) > 0:
		return "invalid_blocks", c.problems
	case c.all > 10_000:
		return "msg_blocks_too_long", []string{fmt.Sprintf("%d characters in all blocks", c.all)}
	}
	return "", nil
}

type checker struct {
	problems []string
	all      int
	actions  map[string]bool
	ids      map[string]bool
	primary  int
	view     bool // in a view, where inputs are
}

func (c *checker) say(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) block(at string, b any) {
	m, ok := b.(map[string]any)
	if !ok {
		c.say("%s is no object", at)
		return
	}
	if id, ok := m["block_id"].(string); ok && id != "" {
		if len(id) > 255 || c.ids[id] {
			c.say("%s: block_id %q is too long or there twice", at, id)
		}
		c.ids[id] = true
	}
	switch m["type"] {
	case "section":
		c.section(at, m)
	case "context":
		elements, _ := m["elements"].([]any)
		if len(elements) == 0 || len(elements) > 10 {
			c.say("%s has %d elements", at, len(elements))
		}
		for _, e := range elements {
			c.object(at, e, 3_000, "mrkdwn", "plain_text")
		}
	case "header":
		c.object(at, m["text"], 150, "plain_text")
	case "actions":
		elements, _ := m["elements"].([]any)
		if len(elements) == 0 || len(elements) > 25 {
			c.say("%s has %d elements", at, len(elements))
		}
		for i, e := range elements {
			c.button(fmt.Sprintf("%s.elements[%d]", at, i), e)
		}
	case "input":
		if !c.view {
			c.say("%s: an input in a message", at)
		}
		c.input(at, m)
	case "divider":
	default:
		c.say("%s is a %v, which nobody sends so far", at, m["type"])
	}
}

func (c *checker) section(at string, m map[string]any) {
	fields, hasFields := m["fields"].([]any)
	if m["text"] == nil && !hasFields {
		c.say("%s has neither text nor fields", at)
	}
	if m["text"] != nil {
		c.object(at, m["text"], 3_000, "mrkdwn", "plain_text")
	}
	if hasFields && (len(fields) == 0 || len(fields) > 10) {
		c.say("%s has %d fields", at, len(fields))
	}
	for i, f := range fields {
		c.object(fmt.Sprintf("%s.fields[%d]", at, i), f, 2_000, "mrkdwn", "plain_text")
	}
}

// object checks a text object.
func (c *checker) object(at string, o any, limit int, kinds ...string) {
	m, ok := o.(map[string]any)
	if !ok {
		c.say("%s has no text", at)
		return
	}
	kind, _ := m["type"].(string)
	text, _ := m["text"].(string)
	known := false
	for _, k := range kinds {
		known = known || k == kind
	}
	n := utf8.RuneCountInString(text)
	c.all += n
	switch {
	case !known:
		c.say("%s has text of the type %q", at, kind)
	case n == 0 || n > limit:
		c.say("%s has %d characters of at most %d", at, n, limit)
	}
	if _, has := m["verbatim"]; has && kind == "plain_text" {
		c.say("%s: verbatim is for mrkdwn", at)
	}
	if kind == "mrkdwn" {
		c.text(at, text)
	} else if i := strings.IndexFunc(text, unseen); i >= 0 {
		c.say("%s has a control character", at)
	}
}

func unseen(r rune) bool { return unicode.IsControl(r) && r != '\n' }

// ours is the only mark-up that the bot writes itself: a mention of a person, of
// a channel, and of everybody when it pages everybody.
var ours = regexp.MustCompile(`<(@[A-Z0-9]+|#[A-Z0-9]+|!channel|!date\^[0-9]+\^[^<>|]+\|[^<>|]+)>`)

var loose = regexp.MustCompile(`(?i)@(channel|here|everyone)\b`)

// text checks that nothing but our own mark-up is in a text.
func (c *checker) text(at, text string) {
	if strings.IndexFunc(text, unseen) >= 0 {
		c.say("%s has a control character", at)
	}
	rest := ours.ReplaceAllString(text, "")
	if strings.ContainsAny(rest, "<>") {
		c.say("%s has mark-up of somebody else: %.200q", at, rest)
	}
	bare := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(rest)
	if strings.Contains(bare, "&") {
		c.say("%s has an & that is not escaped", at)
	}
	if loose.MatchString(rest) {
		c.say("%s calls everybody: %.200q", at, rest)
	}
}

func (c *checker) button(at string, e any) {
	m, _ := e.(map[string]any)
	if m["type"] != "button" {
		c.say("%s is a %v", at, m["type"])
		return
	}
	c.object(at, m["text"], 75, "plain_text")
	id, _ := m["action_id"].(string)
	if id == "" || len(id) > 255 || c.actions[id] {
		c.say("%s: action_id %q is empty, too long or there twice", at, id)
	}
	c.actions[id] = true
	if v, _ := m["value"].(string); utf8.RuneCountInString(v) > 2_000 {
		c.say("%s: its value is too long", at)
	}
	switch m["style"] {
	case nil, "danger":
	case "primary":
		if c.primary++; c.primary > 1 {
			c.say("%s: a second primary button", at)
		}
	default:
		c.say("%s: style %v", at, m["style"])
	}
	if m["style"] == "danger" && m["confirm"] == nil {
		c.say("%s is dangerous and asks nothing", at)
	}
	if confirm, ok := m["confirm"].(map[string]any); ok {
		c.object(at+".title", confirm["title"], 100, "plain_text")
		c.object(at+".text", confirm["text"], 300, "plain_text", "mrkdwn")
		c.object(at+".confirm", confirm["confirm"], 30, "plain_text")
		c.object(at+".deny", confirm["deny"], 30, "plain_text")
	}
}

// shown is all that a person sees of a message, in lines.
func shown(text string, blocks []any) string {
	if len(blocks) == 0 {
		return unescape(text)
	}
	var lines []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if v["type"] == "button" {
				label, _ := v["text"].(map[string]any)
				lines = append(lines, fmt.Sprintf("[%v]", label["text"]))
				return
			}
			if t, ok := v["text"].(string); ok {
				lines = append(lines, t)
				return
			}
			walk(v["text"])
			walk(v["label"])
			walk(v["hint"])
			walk(v["fields"])
			walk(v["elements"])
			walk(v["element"])
			walk(v["options"])
		}
	}
	walk(blocks)
	return unescape(strings.Join(lines, "\n"))
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// generic is v as JSON makes it: plain maps and lists.
func generic(v any) (out []any) {
	body, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// CheckJSON is Check for blocks of any type that encodes as JSON.
func CheckJSON(text string, blocks any) (code string, problems []string) {
	return Check(text, generic(blocks))
}
