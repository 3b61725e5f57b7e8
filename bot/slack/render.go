package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// rendered is a message as Slack takes it: always text and blocks, because
// chat.update without one of them keeps the old one.
type rendered struct {
	Text   string        `json:"text"` // for notifications and screen readers
	Blocks []slack.Block `json:"blocks"`
}

// render writes a post within all limits. What has to be cut is said to be; the
// title and the buttons always fit.
func render(p outbox.Post) rendered {
	r := &renderer{left: maxAll, private: p.User != "", most: maxBlocks}
	title := headline(p.Message)
	calling := mention(p.Calls)
	if calling != "" {
		calling += " "
	}
	r.section(calling + "*" + strings.ReplaceAll(title, "*", "∗") + "*")
	primary := false
	buttons, typed := buttonRows(p, "", &primary)
	for _, b := range buttons {
		r.left -= sizeOf(b)
	}
	r.spare = len(buttons) + 4 // what may follow the blocks
	r.left -= 600              // and its text
	r.blocks(p.Message.Blocks)
	r.left += 600
	r.spare = len(buttons)
	more := r.rest(p)
	if more != nil {
		r.spare++
	}
	for _, words := range typed {
		r.section(words)
	}
	if record := line(cut(p.Record, maxNote)); record != "" {
		r.context(record)
	}
	if p.Asker != "" {
		r.context("Asked by " + mention(p.Asker))
	}
	r.out = append(r.out, buttons...)
	if more != nil {
		r.out = append(r.out, more)
	}
	return rendered{Text: fallback(calling, title, p.Message), Blocks: r.out}
}

// rest offers what is not shown.
func (r *renderer) rest(p outbox.Post) slack.Block {
	if r.private {
		if r.lost > 0 {
			r.context("_Shortened to fit Slack: the rest is shown by the same words through_ `irisops ctl`.")
		}
		return nil
	}
	var row []slack.BlockElement
	offer := func(wanted, done bool, action, label, shown string) {
		switch {
		case wanted && done:
			r.context(shown)
		case wanted:
			row = append(row, slack.NewButtonBlockElement(action, label, plainText(label)))
		}
	}
	offer(r.lost > 0, p.More, actionMore, "Show More", "Shortened here; all of it is shown below.")
	offer(r.folds > 0, p.Folded, actionFolded, "Show Evidence", "The evidence is shown below.")
	if len(row) == 0 {
		return nil
	}
	return slack.NewActionBlock("rest", row...)
}

// mention calls whoever outbox.Post.Calls names.
func mention(who string) string {
	switch who {
	case "":
		return ""
	case outbox.Everybody:
		return "<!channel>"
	}
	return "<@" + who + ">"
}

// levels are said in words; a sign alone could be overlooked.
var levels = map[message.Level]string{
	message.OK:       "✓ ",
	message.Advice:   "Advice: ",
	message.Warn:     "⚠ Warning: ",
	message.Critical: "✗ CRITICAL: ",
	message.Unknown:  "? Unknown: ",
	message.Refused:  "✗ Refused: ",
	message.Page:     "PAGE: ",
}

func headline(m message.Message) string {
	title := line(cut(m.Title, maxTitle))
	if title == "" {
		title = "(no title)" // Slack refuses empty text
	}
	return levels[m.Level] + title
}

// fallback is what a notification and a screen reader say.
func fallback(calling, title string, m message.Message) string {
	parts := []string{calling + title}
	left := maxText - length(parts[0])
	for _, b := range m.Blocks {
		text := escaped(cut(flat(b), maxField))
		if text == "" {
			continue
		}
		if left -= length(text) + 1; left < 0 {
			break
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

// flat is a block in plain lines.
func flat(b message.Block) string {
	var lines []string
	switch {
	case b.Text != "":
		return b.Text
	case len(b.Fields) > 0:
		for _, f := range b.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
	case b.Table != nil:
		return tabular(*b.Table)
	case b.Code != nil:
		return b.Code.Text
	case b.Checklist != nil:
		for _, i := range b.Checklist.Items {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %s (%s)", i.State, i.Text, i.Note), " ()"))
		}
	}
	return strings.Join(lines, "\n")
}

// renderer gathers blocks as long as they fit.
type renderer struct {
	out   []slack.Block
	left  int // characters
	spare int // blocks that have to follow
	lost  int // parts that did not fit
	folds int // parts that are folded away
	most  int // blocks

	private bool // one person sees it, and nobody can be shown more
}

// put adds a block if it fits and says whether it did.
func (r *renderer) put(b slack.Block) bool {
	n := sizeOf(b)
	if n > r.left || len(r.out)+1+r.spare > r.most {
		r.lost++
		return false
	}
	r.left -= n
	r.out = append(r.out, b)
	return true
}

func (r *renderer) section(text string) bool {
	return r.put(slack.NewSectionBlock(mrkdwn(text), nil, nil))
}

func (r *renderer) context(text string) {
	r.put(slack.NewContextBlock("", mrkdwn(text)))
}

// mrkdwn is text whose mark-up is ours alone: verbatim keeps Slack from looking
// for names and addresses in it.
func mrkdwn(text string) *slack.TextBlockObject {
	return &slack.TextBlockObject{Type: slack.MarkdownType, Text: text, Verbatim: true}
}

func plainText(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// sizeOf counts the characters of all text in a block.
func sizeOf(b slack.Block) int {
	switch b := b.(type) {
	case *slack.SectionBlock:
		n := 0
		if b.Text != nil {
			n = length(b.Text.Text)
		}
		for _, f := range b.Fields {
			n += length(f.Text)
		}
		return n
	case *slack.ContextBlock:
		n := 0
		for _, e := range b.ContextElements.Elements {
			if t, ok := e.(*slack.TextBlockObject); ok {
				n += length(t.Text)
			}
		}
		return n
	case *slack.ActionBlock:
		n := 0
		for _, e := range b.Elements.ElementSet {
			if button, ok := e.(*slack.ButtonBlockElement); ok {
				n += length(button.Text.Text)
				if c := button.Confirm; c != nil {
					n += length(c.Title.Text) + length(c.Text.Text) + length(c.Confirm.Text) + length(c.Deny.Text)
				}
			}
		}
		return n
	}
	return 0
}

// most buttons in one message: more are no help to anybody.
const mostButtons = 2 * maxButtons

// buttonRows are the buttons, and in words what fits into none.
func buttonRows(p outbox.Post, prefix string, primary *bool) (blocks []slack.Block, typed []string) {
	var row []slack.BlockElement
	for i, b := range p.Message.Buttons {
		if strings.TrimSpace(plain(b.Label)) == "" || b.Words == "" {
			continue // Slack refuses it
		}
		if i >= mostButtons || length(b.Words) > maxValue {
			typed = append(typed, fmt.Sprintf("%s: `%s`", line(cut(b.Label, maxLabel)), line(cut(b.Words, maxField))))
			if len(typed) == 5 {
				break
			}
			continue
		}
		row = append(row, button(prefix, i, b, primary))
		if len(row) == maxButtons {
			blocks, row = append(blocks, slack.NewActionBlock(fmt.Sprint(prefix, "do", len(blocks)), row...)), nil
		}
	}
	if len(row) > 0 {
		blocks = append(blocks, slack.NewActionBlock(fmt.Sprint(prefix, "do", len(blocks)), row...))
	}
	return blocks, typed
}

func button(prefix string, i int, b message.Button, primary *bool) *slack.ButtonBlockElement {
	e := slack.NewButtonBlockElement(fmt.Sprint(prefix, "say", i), b.Words, plainText(short(b.Label, maxLabel)))
	switch {
	case b.Style == message.Danger:
		e.Style = slack.StyleDanger
	case b.Style == message.Primary && !*primary:
		e.Style, *primary = slack.StylePrimary, true
	}
	question := short(b.Confirm, maxConfirm)
	if question == "" {
		if b.Style != message.Danger {
			return e
		}
		question = "This can lose data or service."
	}
	e.Confirm = slack.NewConfirmationBlockObject(plainText("Are You Sure?"), plainText(question),
		plainText(short(b.Label, 30)), plainText("Leave It"))
	if b.Style == message.Danger {
		e.Confirm.Style = slack.StyleDanger
	}
	return e
}

// short is plain text, which Slack shows as it is, of at most limit characters.
func short(s string, limit int) string {
	s = strings.Join(strings.Fields(plain(s)), " ")
	if length(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
