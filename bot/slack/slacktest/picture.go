package slacktest

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// People are drawn by these names; another id is drawn as it is.
type People map[string]string

// Draw is a page in HTML that resembles what Slack shows: messages as they stand
// now, and Homes. A kind of block that it does not know fails the test.
func (s *Slack) Draw(names People, what ...any) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := drawing{s: s, names: names}
	d.b.WriteString(drawingHead)
	for _, w := range what {
		switch w := w.(type) {
		case *Message:
			class := "message"
			if w.Thread != "" {
				class += " reply"
			}
			fmt.Fprintf(&d.b, `<div class="%s"><div class="icon">i</div><div class="body"><div class="name">iris <span class="app">APP</span> <span class="at">%s</span></div>`, class, w.arrived.Format("15:04"))
			d.blocks(w.blocks)
			d.b.WriteString("</div></div>")
		case *Form:
			blocks, _ := w.view["blocks"].([]any)
			d.b.WriteString(`<div class="home">`)
			d.blocks(blocks)
			d.b.WriteString("</div>")
		default:
			s.t.Errorf("slacktest: a %T cannot be drawn", w)
		}
	}
	return d.b.String()
}

const drawingHead = `<!doctype html><meta charset="utf-8"><style>
body { font: 15px/1.47 Lato, "DejaVu Sans", sans-serif; color: #1d1c1d; margin: 12px 20px; width: 780px }
.message { display: flex; gap: 10px; margin-bottom: 18px } .reply { margin-left: 46px } .body { flex: 1; min-width: 0 }
.icon { width: 36px; height: 36px; border-radius: 6px; background: #3b0d3f; color: #fff; font-weight: bold; text-align: center; line-height: 36px }
.name { font-weight: bold } .app { background: #e8e8e8; color: #616061; font-size: 10px; padding: 1px 3px } .at, .context { color: #616061; font-size: 12px; font-weight: normal }
.section { margin: 4px 0; white-space: pre-wrap; overflow-wrap: anywhere } .header { font-size: 18px; font-weight: bold; margin: 10px 0 4px }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 6px 0 } .fields > div { white-space: pre-wrap }
.with { display: flex; justify-content: space-between; gap: 12px }
pre { font: 12px/1.5 "DejaVu Sans Mono", monospace; background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px; margin: 2px 0; white-space: pre-wrap }
code { font: 12px "DejaVu Sans Mono", monospace; color: #e01e5a; background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; padding: 1px 3px }
.mention { color: #1264a3; background: #e8f5fa } hr { border: 0; border-top: 1px solid #ddd; margin: 10px 0 }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: 3px 12px; margin: 6px 8px 0 0; font-size: 13px; font-weight: bold; white-space: nowrap; align-self: start }
.primary { background: #007a5a; border-color: #007a5a; color: #fff } .danger { background: #e01e5a; border-color: #e01e5a; color: #fff }
</style>`

// drawing is a page being made. Texts of mrkdwn have &, < and > escaped already.
type drawing struct {
	s     *Slack
	names People
	b     strings.Builder
}

func (d *drawing) blocks(blocks []any) {
	for _, raw := range blocks {
		b, _ := raw.(map[string]any)
		switch b["type"] {
		case "section":
			accessory, _ := b["accessory"].(map[string]any)
			if accessory != nil {
				d.b.WriteString(`<div class="with">`)
			}
			if b["text"] != nil {
				fmt.Fprintf(&d.b, `<div class="section">%s</div>`, d.text(b["text"]))
			}
			if fields, ok := b["fields"].([]any); ok {
				d.b.WriteString(`<div class="fields">`)
				for _, f := range fields {
					fmt.Fprintf(&d.b, `<div>%s</div>`, d.text(f))
				}
				d.b.WriteString(`</div>`)
			}
			if accessory != nil {
				d.button(accessory)
				d.b.WriteString(`</div>`)
			}
		case "context":
			d.b.WriteString(`<div class="context">`)
			d.each(b["elements"], func(e map[string]any) { d.b.WriteString(d.text(e)) })
			d.b.WriteString(`</div>`)
		case "actions":
			d.b.WriteString("<div>")
			d.each(b["elements"], d.button)
			d.b.WriteString("</div>")
		case "header":
			fmt.Fprintf(&d.b, `<div class="header">%s</div>`, d.text(b["text"]))
		case "divider":
			d.b.WriteString("<hr>")
		default:
			d.s.t.Errorf("slacktest: a block of type %v cannot be drawn", b["type"])
		}
	}
}

func (d *drawing) each(list any, draw func(map[string]any)) {
	elements, _ := list.([]any)
	for _, e := range elements {
		e, _ := e.(map[string]any)
		draw(e)
	}
}

func (d *drawing) button(e map[string]any) {
	if e["type"] != "button" {
		d.s.t.Errorf("slacktest: an element of type %v cannot be drawn", e["type"])
		return
	}
	style, _ := e["style"].(string)
	fmt.Fprintf(&d.b, `<span class="button %s">%s</span>`, style, d.text(e["text"]))
}

var (
	drawnCode   = regexp.MustCompile("(?s)```\n?(.*?)\n?```|`([^`\n]+)`")
	drawnBold   = regexp.MustCompile(`\*([^*\n]+)\*`)
	drawnPerson = regexp.MustCompile(`<@(\w+)>`)
	drawnDate   = regexp.MustCompile(`<!date\^(\d+)\^([^|^>]*)[^|>]*\|([^>]*)>`)
	drawnLink   = regexp.MustCompile(`<(?:https?://[^|>]*|#\w+)\|([^>]*)>|<(https?://[^|>]*)>`)
)

func (d *drawing) text(raw any) string {
	t, _ := raw.(map[string]any)
	text, _ := t["text"].(string)
	if t["type"] != "mrkdwn" {
		return html.EscapeString(text)
	}
	var out strings.Builder
	for at := 0; ; {
		m := drawnCode.FindStringSubmatchIndex(text[at:])
		if m == nil {
			out.WriteString(d.words(text[at:]))
			return out.String()
		}
		out.WriteString(d.words(text[at : at+m[0]]))
		if m[2] >= 0 {
			fmt.Fprintf(&out, "<pre>%s</pre>", text[at+m[2]:at+m[3]])
		} else {
			fmt.Fprintf(&out, "<code>%s</code>", text[at+m[4]:at+m[5]])
		}
		at += m[1]
	}
}

// words are text without code.
func (d *drawing) words(text string) string {
	text = drawnPerson.ReplaceAllStringFunc(text, func(m string) string {
		id := m[2 : len(m)-1]
		if name := d.names[id]; name != "" {
			id = name
		}
		return `<span class="mention">@` + id + `</span>`
	})
	text = drawnDate.ReplaceAllStringFunc(text, func(m string) string {
		parts := drawnDate.FindStringSubmatch(m)
		at, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || parts[2] != "{ago}" {
			return parts[3]
		}
		return fmt.Sprintf("%d seconds ago", int(time.Since(time.Unix(at, 0)).Seconds()))
	})
	text = drawnLink.ReplaceAllString(text, `<span class="mention">$1$2</span>`)
	return drawnBold.ReplaceAllString(text, "<b>$1</b>")
}
