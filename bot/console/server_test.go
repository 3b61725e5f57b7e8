package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/inbox"
	"irisops/bot/message"
)

// echo is a conversation that answers each delivery with what it said, and says
// something else to everybody else.
type echo struct {
	mu    sync.Mutex
	rooms []bot.Room
	got   []inbox.Delivery
	says  *message.Message // instead of what was said; nil: that
}

func (e *echo) Join(r bot.Room) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms = append(e.rooms, r)
}

func (e *echo) Leave(r bot.Room) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, j := range e.rooms {
		if j == r {
			e.rooms = append(e.rooms[:i:i], e.rooms[i+1:]...)
			return
		}
	}
}

func (e *echo) Handle(ctx context.Context, d inbox.Delivery) *bot.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, d)
	for _, r := range e.rooms {
		m := message.Message{Title: "you said " + d.Text}
		if e.says != nil {
			m = *e.says
		}
		if own, ok := r.(bot.OwnRoom); !ok || own.Of(d.ID) == own.Of("somebody else") {
			m.Title = "this room is not the caller's own"
		}
		r.Publish(ctx, bot.Post{Key: "reply/" + d.ID, Answers: d.ID, Message: m})
		r.Publish(ctx, bot.Post{Key: "other", Answers: "somebody else", Message: message.Message{Title: "a secret of theirs"}})
	}
	return &bot.Outcome{}
}

func serve(t *testing.T) (*Server, *echo) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &echo{}
	s := &Server{Path: filepath.Join(dir, "s"), Bot: e, Log: slog.New(slog.DiscardHandler)}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), s.Wait(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return s, e
}

func TestTheKernelSaysWhoCalls(t *testing.T) {
	s, e := serve(t)
	var titles []string
	code, err := Dial(t.Context(), s.Path, "status", true, func(p bot.Post) { titles = append(titles, p.Message.Title) })
	if err != nil || code != 0 {
		t.Fatal(code, err)
	}
	if len(titles) != 1 || titles[0] != "you said status" {
		t.Errorf("shown: %q", titles)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.got[0]
	if want := "unix:" + strconv.Itoa(os.Geteuid()); d.Caller != want || !d.Yes || d.Via != "socket" || d.Received.IsZero() {
		t.Errorf("%+v, want caller %s", d, want)
	}
	if len(e.rooms) != 0 {
		t.Error("the client's room was not left")
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	s, e := serve(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			text := "status " + strconv.Itoa(i)
			var said []string
			code, err := Dial(t.Context(), s.Path, text, false, func(p bot.Post) { said = append(said, p.Message.Title) })
			if err != nil || code != 0 || len(said) != 1 || said[0] != "you said "+text {
				t.Errorf("%s: %d %v %q", text, code, err, said)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, d := range e.got {
		seen[d.ID] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d different deliveries, want 50", len(seen))
	}
}

func TestSocketModes(t *testing.T) {
	s, _ := serve(t)
	info, err := os.Stat(s.Path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v: want a socket for its owner and group only", info.Mode(), err)
	}
}

func TestSocketIsTakenOver(t *testing.T) {
	s, e := serve(t)
	second := &Server{Path: s.Path, Bot: e, Log: s.Log}
	if err := second.Start(); actions.CodeOf(err) != "socket-taken" {
		t.Errorf("a second irisops: %v", err)
	}

	file := s.Path + "file"
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Server{Path: file, Bot: e, Log: s.Log}).Start(); actions.CodeOf(err) != "socket-taken" {
		t.Errorf("a file in the place of the socket: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}

	// What a killed irisops leaves behind is replaced.
	stale := s.Path + "stale"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	third := &Server{Path: stale, Bot: e, Log: s.Log}
	if err := third.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(third.Close(t.Context()), third.Wait(t.Context())); err != nil {
		t.Error(err)
	}
	if err := (&Server{Path: s.Path + "g", Group: "no_such_group", Bot: e, Log: s.Log}).Start(); actions.CodeOf(err) != "no-group" {
		t.Errorf("an unknown group: %v", err)
	}
}

func TestBadClients(t *testing.T) {
	s, e := serve(t)
	for _, line := range []string{"not json\n", `{"text":"no id"}` + "\n", strings.Repeat("x", 2*maxAsk) + "\n"} {
		conn, err := net.Dial("unix", s.Path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(line))
		var a Answer
		err = json.NewDecoder(conn).Decode(&a)
		if err == nil && (a.End == nil || a.End.Code != bot.ExitUsage) {
			t.Errorf("%.20q was answered with %+v", line, a)
		}
		conn.Close()
	}
	if len(e.got) != 0 {
		t.Errorf("bad clients were heard: %+v", e.got)
	}
}

func TestDialSaysWhyNot(t *testing.T) {
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "none"), "status", false, nil); actions.CodeOf(err) != "not-running" {
		t.Error(err)
	}
}
