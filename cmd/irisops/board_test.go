package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/bot/inbox"
	"irisops/cmd/irisops/config"
)

// browser is a real one, without a screen.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string // what its console said
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1200, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	deadline, cancelAll := context.WithTimeout(t.Context(), 3*time.Minute)
	allocator, cancelAllocator := chromedp.NewExecAllocator(deadline, options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: ctx}
	console := chromedp.Console(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range console {
			if err != nil {
				return
			}
			switch m.Type {
			case chromedp.ConsoleError, chromedp.ConsoleWarning, chromedp.ConsoleException:
				b.mu.Lock()
				b.troubles = append(b.troubles, m.Text)
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); cancelAllocator(); cancelAll(); <-heard })
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// get is what an action answers.
func get[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// order gives the browser a command of its protocol.
func order[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// awaits waits until the page's text has it, without loading it again.
func (b *browser) awaits(text string) {
	b.t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		_, err = chromedp.Run(b.ctx, chromedp.PollFunction[bool](`(text) => document.body.innerText.includes(text)`,
			chromedp.WithPollingArgs(text), chromedp.WithPollingTimeout(time.Minute)))
		if err == nil {
			break
		}
		// The page that was asked has given way to the next: ask that one.
	}
	if err != nil {
		b.t.Fatalf("the page does not come to say %q: %v\n%s", text, err, get(b, chromedp.Text("body")))
	}
}

func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		b.t.Errorf("the console says: %s", trouble)
	}
}

// usable runs axe-core, which finds what a screen reader or a keyboard stumbles
// over, and too little contrast.
func (b *browser) usable(what, axe string) {
	b.t.Helper()
	get(b, chromedp.Evaluate[int](axe+"; 0"))
	violations := get(b, chromedp.Evaluate[[]string](
		`axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html).join(" | ")))`, chromedp.EvalAwaitPromise))
	for _, v := range violations {
		b.t.Errorf("%s: axe: %s", what, v)
	}
}

// picture keeps what is seen, where BOARD_PICTURES names a folder.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("BOARD_PICTURES")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), get(b, chromedp.FullScreenshot(100)), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) scheme(name string) {
	b.t.Helper()
	order(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// TestBoard looks at the board of a real cluster in a real browser, while a node
// dies and comes back.
func TestBoard(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", "build", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: make test unpacks it", err)
	}
	l := labtest.ForTest(t, lab.Options{})
	cfg, err := config.Load(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(cfg, overrides{demo: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	said := 0
	say := func(who, words string) {
		t.Helper()
		said++
		out := a.bot.Handle(t.Context(), inbox.Delivery{ID: fmt.Sprintf("board-%d", said), Via: "terminal", Caller: "demo:" + who, Text: words, Yes: true})
		if code := out.Wait(); code != 0 {
			t.Errorf("%s: %s ended with %d", who, words, code)
		}
	}
	b := newBrowser(t)
	b.do(chromedp.Navigate(a.web.URL() + "/"))
	b.awaits("all 3 nodes healthy")
	b.awaits("No incident is open.")
	b.awaits("Live.")

	if err := l.Kill(t.Context(), "edge1"); err != nil {
		t.Fatal(err)
	}
	b.awaits("edge1 down")
	say("operator", `declare P0 "no clients can connect to edge1"`)
	b.awaits("INC-1 P0 open: no clients can connect to edge1")
	b.awaits("unless recovered")
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.picture("board-" + scheme)
		b.usable("the board in a "+scheme+" scheme", string(axe))
	}

	// By keyboard from the head of the incident to its page.
	b.do(chromedp.Focus(`a[href="/incidents/1"]`), chromedp.KeyEvent("\r"))
	b.awaits("P0 declared: no clients can connect")
	say("operator", "ack")
	b.awaits("INC-1 P0 acknowledged")
	say("operator", "restart edge1")
	b.awaits("REQ-1 done: Restart edge1")
	say("operator", "recovered")
	b.awaits("recovered, verified")
	b.usable("an incident's page", string(axe))
	b.picture("board-incident")
	say("operator", `note <b>the rack</b> is open <img src=x onerror="console.error('run')">`)
	b.awaits(`<b>the rack</b> is open <img src=x onerror="console.error('run')">`)
	for _, path := range []string{"/incidents", "/oncall", "/drills", "/backups", "/audit"} {
		b.do(chromedp.Navigate(a.web.URL() + path))
		b.awaits("irisops")
		b.usable(path, string(axe))
		b.picture("board" + strings.ReplaceAll(path, "/", "-"))
	}

	// What somebody has selected stays until they let go of it, and comes then.
	b.do(chromedp.Navigate(a.web.URL() + "/drills"))
	b.awaits("Live.")
	get(b, chromedp.Evaluate[int](`getSelection().selectAllChildren(document.querySelector("#schedule h3")); 0`))
	say("owner", "schedule pause health")
	get(b, chromedp.Evaluate[int](`new Promise((done) => new EventSource("/live?page=/drills").addEventListener("section",
		(event) => { if (JSON.parse(event.data).html.includes("paused by owner")) done(0); }))`, chromedp.EvalAwaitPromise))
	get(b, chromedp.Evaluate[int](`getSelection().removeAllRanges(); 0`))
	b.awaits("paused by owner")

	// Without JavaScript the page is whole, and loads itself again.
	order(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(a.web.URL() + "/"))
	want(t, get(b, chromedp.Text("main")), "INC-1 P0 recovered")
	b.awaits("all 3 nodes healthy")
	b.quiet()
}
