package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/bot"
	"irisops/bot/console"
	"irisops/bot/escalation"
	"irisops/bot/incident"
)

// tourPolicy is the P0 policy with seconds in the place of the runbook's 15 and
// 30 minutes; the tour says so.
var tourPolicy = map[incident.Priority]escalation.Policy{
	incident.P0: {Steps: []escalation.PolicyStep{
		{After: 0, Role: "primary"}, {After: 4 * time.Second, Role: "sre"}, {After: 60 * time.Second, Role: "owner"}}},
}

// tour plays a whole incident against real nodes. Whatever does not go as it
// should ends it with an error.
func tour(ctx context.Context, l *lab.Lab, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 55*time.Second)
	defer cancel()
	pages := newPageWatch()
	style := styleOf(out)
	terminal := console.NewTerminal(out, false, style, time.Local, demoPeople())
	st, err := newStage(ctx, l, terminal, tourPolicy, pages)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := st.stop(ctx); err == nil {
			err = stopErr
		}
	}()
	say := func(who, text string, want int) error {
		if code := terminal.Say(ctx, who, text); code != want {
			return actions.Errorf("tour", "The tour went wrong: `%s` ended with code %d, not %d.", text, code, want)
		}
		return ctx.Err()
	}

	terminal.Narrate("#iris-ops, on a quiet night.")
	if err := say("operator", "status", exitDone); err != nil {
		return err
	}
	pid := pidOf(ctx, l, "edge1")
	if err := l.Kill(ctx, "edge1"); err != nil {
		return err
	}
	terminal.Narrate(fmt.Sprintf("edge1 dies for real: kill -9 %s.\n--- For this tour the on-call SRE is paged after 4 seconds and the service owner after 60;\n--- the runbook's own policy, and the default, is 15 and 30 minutes.", pid))
	if err := say("operator", `declare P0 "no clients can connect to edge1"`, exitDone); err != nil {
		return err
	}
	if err := say("operator", "ack", exitDone); err != nil {
		return err
	}
	terminal.Narrate("operator looks elsewhere. Acknowledged is not recovered, so the clock runs on:")
	if err := pages.wait(ctx, "sre"); err != nil {
		return err
	}
	for _, line := range []struct {
		who, text string
		want      int
	}{
		{"operator", "recovered", exitRefused},
		{"operator", "restart edge1", exitDone},
		{"operator", "confirm", exitDone},
		{"operator", "verify", exitDone},
		{"operator", "recovered", exitDone},
		{"operator", "resolve edge1 was killed for the tour", exitDone},
		{"operator", "timeline --incident INC-1", exitDone},
		{"operator", "status", exitDone},
	} {
		if err := say(line.who, line.text, line.want); err != nil {
			return err
		}
	}
	terminal.Narrate(typed("That was real: real nodes, a real database, and everything that was said is in its timeline.\n--- Now it is all taken down again. `irisops demo` leaves you at the prompt."))
	return nil
}

// pageWatch is a room that waits for pages.
type pageWatch struct {
	mu    sync.Mutex
	seen  map[string]bool
	heard chan struct{}
}

func newPageWatch() *pageWatch {
	return &pageWatch{seen: map[string]bool{}, heard: make(chan struct{}, 1)}
}

// Publish implements bot.Room.
func (w *pageWatch) Publish(_ context.Context, p bot.Post) error {
	if !strings.HasPrefix(p.Key, "page/") {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[p.Key] = true
	select {
	case w.heard <- struct{}{}:
	default:
	}
	return nil
}

// wait waits for a page to the role.
func (w *pageWatch) wait(ctx context.Context, role string) error {
	for {
		w.mu.Lock()
		for key := range w.seen {
			if strings.Contains(key, "/"+role+"/") {
				w.mu.Unlock()
				return nil
			}
		}
		w.mu.Unlock()
		select {
		case <-w.heard:
		case <-ctx.Done():
			return actions.Errorf("tour", "The tour went wrong: %s was not paged in time.", role)
		}
	}
}
