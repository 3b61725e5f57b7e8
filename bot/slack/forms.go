package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// A command that needs more than its name is asked for with a form. Slack gives
// 3 seconds to open one, so a form that says "one moment" is opened first and
// filled with the questions then. What is filled in becomes the line that a
// person could have typed, and goes the same way.

const (
	formCallback = "form"
	formValue    = "value" // action_id of every input
)

// formOrigin is what a form has to remember: where it was asked for, and what
// for.
type formOrigin struct {
	Words    string `json:"words"`
	Channel  string `json:"channel"`
	Thread   string `json:"thread,omitempty"`
	Incident string `json:"incident,omitempty"`
}

// form says whether what arrived is answered with a form.
func (l *Listener) form(ctx context.Context, p *parcel) (bot.Form, bool) {
	if p.kind != bySlash && p.kind != byClick && p.kind != byHome && p.kind != byMention {
		return bot.Form{}, false
	}
	return l.bot.Form(ctx, "slack:"+p.user, p.text, l.incidentAt(p.arrival))
}

// ask opens the form; where Slack lets none be opened, it says what to type, and
// offers the form.
func (l *Listener) ask(p *parcel, f bot.Form) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	origin := formOrigin{Words: f.Spec.Words, Channel: p.channel, Thread: p.replies(), Incident: l.incidentAt(p.arrival)}
	title := formTitle(f)
	if p.trigger == "" {
		l.offer(ctx, p, f, sentenceOf(f.Lacks.Text), []message.Button{{Label: "Fill In a Form", Words: p.text, Style: message.Primary}})
		return
	}
	opened, err := l.room.api.OpenViewContext(ctx, p.trigger, loading(title, origin))
	if err != nil {
		l.room.Log.Warn("a form could not be opened", "words", f.Spec.Words, "err", err)
		l.offer(ctx, p, f, "The form could not be opened: Slack waits only 3 s for it.", nil)
		return
	}
	if _, err := l.room.api.UpdateViewContext(ctx, questions(title, f, origin), "", opened.Hash, opened.ID); err != nil {
		l.room.Log.Error("a form could not be filled with its questions", "words", f.Spec.Words, "err", err)
		l.offer(ctx, p, f, "The form could not be shown.", nil)
	}
}

// offer says to one person what can be typed instead.
func (l *Listener) offer(ctx context.Context, p *parcel, f bot.Form, title string, buttons []message.Button) {
	l.room.whisper(ctx, outbox.Post{Channel: p.channel, Thread: p.thread, User: p.user, Message: message.Message{
		Level: message.Refused, Title: title, Buttons: buttons, Blocks: []message.Block{{Text: fmt.Sprintf("For example: `%s`.", f.Spec.Example)}}}})
}

func sentenceOf(s string) string { return strings.TrimRight(s, ". ") + "." }

func formTitle(f bot.Form) string {
	words := strings.Fields(strings.ReplaceAll(f.Spec.Words, "-", " "))
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return short(strings.Join(words, " "), maxModalTitle)
}

func modal(title string, origin formOrigin, blocks ...slack.Block) slack.ModalViewRequest {
	meta, err := json.Marshal(origin)
	if err != nil {
		meta = nil // strings only: it cannot fail
	}
	return slack.ModalViewRequest{Type: slack.VTModal, Title: plainText(title), Close: plainText("Leave It"), CallbackID: formCallback,
		PrivateMetadata: string(meta), Blocks: slack.Blocks{BlockSet: blocks}}
}

func loading(title string, origin formOrigin) slack.ModalViewRequest {
	return modal(title, origin, slack.NewSectionBlock(plainText("One moment…"), nil, nil))
}

// questions are the form itself: an input a field, and the cluster where there
// are several.
func questions(title string, f bot.Form, origin formOrigin) slack.ModalViewRequest {
	blocks := []slack.Block{slack.NewContextBlock("", mrkdwn(line(cut(f.Spec.Summary, maxNote))))}
	for _, p := range f.Fields {
		blocks = append(blocks, input(p, f))
	}
	if f.Clusters != nil {
		e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Choose"), formValue, options(f.Clusters)...)
		blocks = append(blocks, slack.NewInputBlock("cluster", plainText("Cluster"), nil, e))
	}
	v := modal(title, origin, blocks...)
	v.Submit = plainText(short(title, maxModalTitle))
	return v
}

func input(p actions.Param, f bot.Form) *slack.InputBlock {
	name := strings.ReplaceAll(p.Name, "-", " ")
	label := strings.ToUpper(name[:1]) + name[1:]
	var element slack.BlockElement
	switch {
	case p.Kind == actions.Choice && len(p.Choices) <= maxOptions:
		element = slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Choose"), formValue, options(p.Choices)...)
	case (p.Kind == actions.Target || p.Kind == actions.Node) && len(f.Targets) > 0 && len(f.Targets) <= maxOptions:
		element = slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Choose"), formValue, options(f.Targets)...)
	case p.Kind == actions.Person:
		element = slack.NewOptionsSelectBlockElement(slack.OptTypeUser, plainText("Choose"), formValue)
	case p.Kind == actions.Bool:
		element = slack.NewCheckboxGroupsBlockElement(formValue, slack.NewOptionBlockObject("true", plainText(short(label, maxLabel)), nil))
	default:
		e := slack.NewPlainTextInputBlockElement(nil, formValue)
		e.Multiline = p.Kind == actions.Text && p.Flag
		e.MaxLength = maxFormText
		if p.Example != "" {
			e.Placeholder = plainText(short(strings.Trim(p.Example, `"`), maxPlaceholder))
		}
		element = e
	}
	var hint *slack.TextBlockObject
	if p.Doc != "" {
		hint = plainText(short(p.Doc, maxField))
	}
	b := slack.NewInputBlock(p.Name, plainText(short(label, maxLabel)), hint, element)
	b.Optional = p.Optional
	return b
}

func options(values []string) []*slack.OptionBlockObject {
	var all []*slack.OptionBlockObject
	for _, v := range values {
		all = append(all, slack.NewOptionBlockObject(v, plainText(short(v, maxLabel)), nil))
	}
	return all
}

// submitPayload: https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
type submitPayload struct {
	User struct {
		ID   string `json:"id"`
		Team string `json:"team_id"`
	} `json:"user"`
	View struct {
		ID       string `json:"id"`
		Callback string `json:"callback_id"`
		Meta     string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]submitValue `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

type submitValue struct {
	Value  string `json:"value"`
	Option *struct {
		Value string `json:"value"`
	} `json:"selected_option"`
	User    string `json:"selected_user"`
	Options []struct {
		Value string `json:"value"`
	} `json:"selected_options"`
}

func (v submitValue) String() string {
	switch {
	case v.Option != nil:
		return v.Option.Value
	case v.User != "":
		return v.User
	case len(v.Options) > 0:
		return v.Options[0].Value
	}
	return v.Value
}

func readSubmit(payload json.RawMessage) (a arrival, ok bool, err error) {
	var p submitPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return a, false, err
	}
	if p.View.Callback != formCallback || p.User.ID == "" || p.View.ID == "" {
		return a, false, nil
	}
	var origin formOrigin
	if err := json.Unmarshal([]byte(p.View.Meta), &origin); err != nil {
		return a, false, fmt.Errorf("a form without its origin: %w", err)
	}
	a = arrival{address: address{channel: origin.Channel, thread: origin.Thread, user: p.User.ID, kind: byForm, what: p.View.ID},
		text: origin.Words, team: p.User.Team, incident: origin.Incident, filled: map[string]string{}}
	for _, block := range slices.Sorted(maps.Keys(p.View.State.Values)) {
		for _, v := range p.View.State.Values[block] {
			a.filled[block] = v.String()
		}
	}
	return a, origin.Channel != "" && origin.Words != "", nil
}

// fill makes a line of what was filled in. Where that does not work, the form
// stays open and says why at the field.
func (l *Listener) fill(p *parcel) (ok bool) {
	line, faults := l.bot.Fill(p.text, p.filled)
	if len(faults) == 0 {
		p.text = line
		return true
	}
	errors := map[string]string{}
	first := ""
	for _, block := range slices.Sorted(maps.Keys(p.filled)) {
		if first == "" {
			first = block
		}
		if faults[block] != "" {
			errors[block] = short(faults[block], maxFormFault)
		}
	}
	if len(errors) == 0 { // about a field that is not in the form
		for _, fault := range faults {
			errors[first] = short(fault, maxFormFault)
		}
	}
	p.answer = map[string]any{"response_action": "errors", "errors": errors}
	return false
}

const (
	maxModalTitle  = 24
	maxPlaceholder = 150
	maxOptions     = 100
	maxFormText    = 3_000
	maxFormFault   = 150 // ours
)
