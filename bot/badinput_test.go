package bot_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/store"
)

// small is a bot on a store of its own, which may be wrapped to fail.
func small(t *testing.T, wrap func(*store.DB) bot.Store) (*bot.Bot, *posts, *store.DB) {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var kept bot.Store = db
	if wrap != nil {
		kept = wrap(db)
	}
	cluster, room := newFakeCluster(), &posts{}
	b, err := bot.New(bot.Options{
		Store: kept, Rooms: []bot.Room{room},
		Access:   access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, room, db
}

func typed(b *bot.Bot, id, who, text string) int {
	return b.Handle(context.Background(), inbox.Delivery{ID: id, Caller: "demo:" + who, Text: text}).Wait()
}

func (p *posts) reply(id string) message.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, post := range p.all {
		if post.Answers == id {
			return post.Message
		}
	}
	return message.Message{}
}

func TestBadTextGetsAClearAnswer(t *testing.T) {
	b, room, db := small(t, nil)
	for i, tt := range []struct {
		text, says string
		code       int
	}{
		{"", "Say what I should do.", bot.ExitUsage},
		{" \u00a0\u200b\t ", "Say what I should do.", bot.ExitUsage},
		{`declare P0 "` + strings.Repeat("x", 10_000) + `"`, "10,013 characters", bot.ExitUsage},
		{`declare P0 "` + strings.Repeat("x", 9_000) + `"`, "3,000", bot.ExitUsage},
		{"declare P0 \xff\xfe broken", "UTF-8", bot.ExitUsage},
		{"restart edge1; rm -rf /", "", bot.ExitUsage},
		{"restart $(id)", "", bot.ExitUsage},
		{"restart " + strings.Repeat("e", 64<<10), "", bot.ExitUsage},
		{"note hello", "No incident is open.", bot.ExitRefused},
	} {
		id := fmt.Sprint("bad/", i)
		code := typed(b, id, "operator", tt.text)
		m := room.reply(id)
		if code != tt.code || m.Level != message.Refused || m.Title == "" || !strings.Contains(m.Title, tt.says) {
			t.Errorf("%.40q: code %d, %+v; want code %d and %q", tt.text, code, m, tt.code, tt.says)
		}
	}
	if open, err := db.OpenIncidents(); err != nil || len(open) > 0 {
		t.Errorf("bad input opened %v, %v", open, err)
	}
	if code := typed(b, "good", "operator", "declare P0 still works"); code != bot.ExitDone {
		t.Errorf("after bad input a good line ends with %d", code)
	}
}

func TestTwoPeopleDeclareAtOnce(t *testing.T) {
	b, room, db := small(t, nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			who := []string{"operator", "second", "owner"}[i%3]
			if code := typed(b, fmt.Sprint("declare/", i), who, "declare P0 no clients can connect"); code != bot.ExitDone {
				t.Errorf("%s: code %d", who, code)
			}
		})
	}
	all.Wait()
	open, err := db.OpenIncidents()
	if err != nil || len(open) != 1 {
		t.Fatalf("%d incidents, %v", len(open), err)
	}
	already := 0
	for i := range 20 {
		if strings.Contains(room.reply(fmt.Sprint("declare/", i)).Title, "INC-1 is open already") {
			already++
		}
	}
	if already != 19 {
		t.Errorf("%d of 20 were told that it is open already, want 19", already)
	}
}

// full is a store whose disk is full from the n-th write on.
type full struct {
	*store.DB
	mu   sync.Mutex
	left int
}

func (f *full) write() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return &actions.Error{Code: actions.CodeDiskFull, Text: "The incident was not recorded: the disk is full.", Hint: "Free some space and repeat the command."}
	}
	return nil
}

func (f *full) Declare(ctx context.Context, dedup string, build func(uint64) change.Change) (incident.Incident, bool, error) {
	if err := f.write(); err != nil {
		return incident.Incident{}, false, err
	}
	return f.DB.Declare(ctx, dedup, build)
}

func (f *full) Receive(ctx context.Context, d inbox.Delivery) (bool, error) {
	if err := f.write(); err != nil {
		return false, err
	}
	return f.DB.Receive(ctx, d)
}

func TestFullDiskIsNeverASuccess(t *testing.T) {
	for left := range 2 {
		var f *full
		b, room, db := small(t, func(db *store.DB) bot.Store { f = &full{DB: db, left: left}; return f })
		if code := typed(b, "1", "operator", "declare P0 no clients"); code != bot.ExitRefused {
			t.Errorf("full after %d writes: code %d", left, code)
		}
		if m := room.reply("1"); m.Level != message.Refused || !strings.Contains(m.Title, "disk is full") {
			t.Errorf("full after %d writes: %+v", left, m)
		}
		if open, err := db.OpenIncidents(); err != nil || len(open) > 0 {
			t.Errorf("full after %d writes: %v, %v", left, open, err)
		}
		f.mu.Lock()
		f.left = 1000
		f.mu.Unlock()
		if code := typed(b, "2", "operator", "declare P0 no clients"); code != bot.ExitDone {
			t.Errorf("after the disk was freed: code %d, %+v", code, room.reply("2"))
		}
	}
}

func TestTheSameDeliveryTwiceIsCarriedOutOnce(t *testing.T) {
	b, room, db := small(t, nil)
	for range 3 {
		if code := typed(b, "same", "operator", "declare P0 no clients"); code != bot.ExitDone {
			t.Fatal(code)
		}
	}
	if open, err := db.OpenIncidents(); err != nil || len(open) != 1 {
		t.Fatalf("%d incidents, %v", len(open), err)
	}
	n := 0
	room.mu.Lock()
	for _, p := range room.all {
		if p.Parent && p.Answers == "same" {
			n++
		}
	}
	room.mu.Unlock()
	if n != 1 {
		t.Errorf("answered %d times", n)
	}
}

// A panic in an action is an answer, not the end.
func TestPanicIsAnAnswer(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	room := &posts{}
	b, err := bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Summary: func(context.Context) (actions.Level, string) { return actions.OK, "well" },
			Actions: []actions.Action{{Name: "diagnose", Summary: "what is wrong", Example: "diagnose",
				Look: func(context.Context, actions.Request) (actions.Result, error) { panic("a bug") }}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop(context.Background())
	if code := typed(b, "1", "operator", "diagnose"); code != bot.ExitRefused {
		t.Errorf("code %d", code)
	}
	if m := room.reply("1"); !strings.Contains(m.Title, "broke") {
		t.Errorf("%+v", m)
	}
	if code := typed(b, "2", "operator", "whoami"); code != bot.ExitDone {
		t.Errorf("after a panic: code %d", code)
	}
}
