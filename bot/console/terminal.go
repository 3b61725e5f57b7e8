package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"irisops/bot"
	"irisops/bot/inbox"
	"irisops/bot/message"
)

// Terminal is a room that prints the whole conversation, and a place to type in.
// A message that changes is rewritten in place where it is still the last thing
// on a real terminal; elsewhere only what changed is printed.
type Terminal struct {
	Bot    Conversation
	Style  Style
	Zone   *time.Location
	People []string // whom `as NAME` may name; the first one speaks until `as` has another go on

	mu     sync.Mutex
	out    io.Writer
	live   bool // the cursor can be moved
	shown  map[string]message.Message
	order  []string // keys of shown, the oldest first
	last   string   // key of the post that was printed last
	height int      // its lines

	speaker  string // whom `as NAME` has speak; "" is the first of People
	unfolded string // the delivery whose answer is shown whole

	began int64
	count atomic.Uint64
}

// NewTerminal prints to out. live says that out is a real terminal.
func NewTerminal(out io.Writer, live bool, style Style, zone *time.Location, people []string) *Terminal {
	return &Terminal{out: out, live: live, Style: style, Zone: zone, People: people,
		shown: map[string]message.Message{}, began: time.Now().UnixNano()}
}

// Publish implements bot.Room.
func (t *Terminal) Publish(_ context.Context, p bot.Post) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.shown[p.Key]
	if p.Replay && !known {
		return nil // it was printed in an earlier life
	}
	if known && reflect.DeepEqual(before, withoutData(p.Message)) {
		return nil
	}
	t.remember(p.Key, withoutData(p.Message))
	switch {
	case !known:
		return t.print(p.Key, t.head("irisops", p), t.body(p))
	case t.live && t.last != p.Key && hasChecklist(p.Message):
		// Work goes on: shown whole once more, so that it can be rewritten from here on.
		return t.print(p.Key, strings.TrimSuffix(t.head("irisops", p), "\n")+"  edits "+path.Base(p.Key)+"\n", t.body(p))
	case t.live && t.last == p.Key:
		text := t.head("irisops", p) + t.body(p)
		_, err := fmt.Fprintf(t.out, "\x1b[%dA\x1b[J%s", t.height, text)
		t.height = strings.Count(text, "\n")
		return err
	}
	lines := Delta(before, p.Message, t.narrow(p))
	if len(lines) == 0 {
		return nil
	}
	head := ""
	if t.last != "edits of "+p.Key {
		head = strings.TrimSuffix(t.head("irisops", p), "\n") + "  edits " + path.Base(p.Key) + "\n"
	}
	return t.print("edits of "+p.Key, head, indent(strings.Join(lines, "\n")+"\n", t.margin(p)))
}

// maxShown is how many messages can still be edited; older ones are printed
// afresh if they change.
const maxShown = 500

func (t *Terminal) remember(key string, m message.Message) {
	if _, known := t.shown[key]; !known {
		t.order = append(t.order, key)
		if len(t.order) > maxShown {
			delete(t.shown, t.order[0])
			t.order = t.order[1:]
		}
	}
	t.shown[key] = m
}

func hasChecklist(m message.Message) bool {
	return slices.ContainsFunc(m.Blocks, func(b message.Block) bool { return b.Checklist != nil })
}

func withoutData(m message.Message) message.Message {
	m.Data = nil
	return m
}

func (t *Terminal) print(key, head, body string) error {
	text := head + body
	t.last, t.height = key, strings.Count(text, "\n")
	_, err := io.WriteString(t.out, text)
	return err
}

// head is the line above a message: who, when, and in which thread.
func (t *Terminal) head(who string, p bot.Post) string {
	where := ""
	if p.Incident != "" && !p.Parent {
		where = "  in the thread of " + p.Incident
	}
	if p.OnCall {
		where += "  also in the on-call channel"
	}
	return fmt.Sprintf("\n%s  %s%s\n", t.bold(who), time.Now().In(t.Zone).Format("15:04:05"), where)
}

func (t *Terminal) bold(s string) string {
	if t.Style.Color {
		return "\x1b[1m" + s + "\x1b[0m"
	}
	return s
}

func (t *Terminal) body(p bot.Post) string {
	var b bytes.Buffer
	Render(&b, p.Message, t.narrow(p))
	return indent(b.String(), t.margin(p))
}

// narrow is the style with room for the margin.
func (t *Terminal) narrow(p bot.Post) Style {
	style := t.Style
	style.Width -= len(t.margin(p))
	style.All = style.All || t.unfolded != "" && p.Answers == t.unfolded
	return style
}

func (t *Terminal) margin(p bot.Post) string {
	if p.Incident != "" && !p.Parent {
		return "  | "
	}
	return "  "
}

func indent(text, margin string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(margin+l, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// Narrate prints a line beside the conversation.
func (t *Terminal) Narrate(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.print("", "", "\n--- "+strings.TrimSpace(text)+"\n")
}

// Say types text as that person, shows it, and waits for all that comes of it.
func (t *Terminal) Say(ctx context.Context, who, text string) int {
	t.mu.Lock()
	t.print("", t.head(who, bot.Post{}), indent(text, "  "))
	t.mu.Unlock()
	return t.handle(ctx, who, text).Wait()
}

func (t *Terminal) handle(ctx context.Context, who, text string) *bot.Outcome {
	id := fmt.Sprintf("terminal/%d/%d", t.began, t.count.Add(1))
	text, all := Everything(text)
	if all {
		t.mu.Lock()
		t.unfolded = id
		t.mu.Unlock()
	}
	return t.Bot.Handle(ctx, inbox.Delivery{
		ID: id, Via: "terminal", Caller: "demo:" + who, Text: text, Received: time.Now().UTC(),
	})
}

// Interact reads commands from a real terminal until quit, the end of input, or
// the end of ctx.
func (t *Terminal) Interact(ctx context.Context, in *os.File) error {
	raw, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal cannot be used: %w", err)
	}
	defer term.Restore(int(in.Fd()), raw)
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, t.out}, "")
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	resized <- unix.SIGWINCH // once for the size that it has
	fitting, stop := context.WithCancel(ctx)
	defer stop()
	go t.fit(in, editor, resized, fitting.Done())
	t.mu.Lock()
	old := t.out
	t.out = editor
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.out = old
		t.mu.Unlock()
	}()
	return t.converse(ctx, editor)
}

// fit follows the window's size.
func (t *Terminal) fit(in *os.File, editor *term.Terminal, resized <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-resized:
		}
		if width, height, err := term.GetSize(int(in.Fd())); err == nil && width > 0 {
			editor.SetSize(width, height)
			t.mu.Lock()
			t.Style.Width, t.last = width, "" // what stands above is broken otherwise now
			t.mu.Unlock()
		}
	}
}

func (t *Terminal) converse(ctx context.Context, editor *term.Terminal) error {
	lines, errs := make(chan string), make(chan error, 1)
	next := make(chan struct{}, 1)
	go func() {
		for range next {
			line, err := editor.ReadLine()
			if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
				errs <- err
				return
			}
			lines <- line
		}
	}()
	defer close(next)
	for {
		editor.SetPrompt(t.bold(t.speaks()) + " > ")
		next <- struct{}{}
		select {
		case <-ctx.Done():
			return nil
		case err := <-errs:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case line := <-lines:
			t.mu.Lock()
			t.last = "" // the prompt stands below it now
			t.mu.Unlock()
			editor.SetPrompt("")
			if done := t.line(ctx, line); done {
				return nil
			}
		}
	}
}

// line carries out what was typed at the prompt. Long work goes on behind it,
// so that `halt` can be typed meanwhile.
func (t *Terminal) line(ctx context.Context, line string) (quit bool) {
	who, text := t.Speaker(line)
	switch strings.ToLower(text) {
	case "":
		if who != t.speaks() && slices.Contains(t.People, who) {
			t.speaker = who
			t.Narrate("You speak as " + who + " from now on. `as " + t.People[0] + "` takes that back.")
			return false
		}
		if strings.TrimSpace(line) == "" || who == t.speaks() {
			return false
		}
		text = "whoami" // which says whom there is
	case "quit", "exit":
		return true
	case "as":
		text = "help as"
	}
	t.handle(ctx, who, text)
	return false
}

// speaks is who types at the prompt.
func (t *Terminal) speaks() string {
	if t.speaker == "" {
		return t.People[0]
	}
	return t.speaker
}

// Speaker takes `as NAME` off the line. Whether there is such a person is the
// bot's to say.
func (t *Terminal) Speaker(line string) (who, text string) {
	text = strings.TrimSpace(line)
	if fields := strings.Fields(text); len(fields) > 1 && strings.EqualFold(fields[0], "as") {
		who = strings.ToLower(fields[1])
		rest := strings.TrimSpace(text[len(fields[0]):])
		return who, strings.TrimSpace(rest[len(fields[1]):])
	}
	return t.speaks(), text
}
