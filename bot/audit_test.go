package bot_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"irisops/actions/keep"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/audit"
	"irisops/bot/inbox"
	"irisops/bot/message"
	"irisops/store"
)

// forged is a store whose audit somebody has been at.
type forged struct {
	*store.DB
	touch func(audit.Entry) []audit.Entry
}

func (f *forged) Trail(from uint64, visit func(audit.Entry) error) error {
	return f.DB.Trail(from, func(e audit.Entry) error {
		if f.touch == nil {
			return visit(e)
		}
		for _, e := range f.touch(e) {
			if err := visit(e); err != nil {
				return err
			}
		}
		return nil
	})
}

const typedSecret = "planted-cookie-77"

// audited is a bot whose audit is kept, and its folder for exports.
func audited(t *testing.T) (*bot.Bot, *posts, *forged, string) {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept, cluster, room, folder := &forged{DB: db}, newFakeCluster(), &posts{}, filepath.Join(t.TempDir(), "audit")
	b, err := bot.New(bot.Options{Store: kept, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}}, Files: keep.In(folder),
		Mask: strings.NewReplacer(typedSecret, "[secret]").Replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Stop(context.Background()); db.Close() })
	return b, room, kept, folder
}

func trail(t *testing.T, s bot.Store) (all []audit.Entry) {
	t.Helper()
	if err := s.Trail(1, func(e audit.Entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheAuditIsExportedWhole(t *testing.T) {
	b, room, db, folder := audited(t)
	typed(b, "1", "operator", "declare P2 \"the cookie is "+typedSecret+"\"")
	typed(b, "2", "operator", "note "+typedSecret)
	typed(b, "3", "operator", "messages clear alice")
	typed(b, "4", "second", "approve REQ-1")
	if code := typed(b, "5", "guest", "audit export"); code != bot.ExitDone {
		t.Fatalf("%+v", room.reply("5"))
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	path := filepath.Join(folder, files[0].Name())
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	var chain audit.Chain
	kinds := map[audit.Kind]int{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e audit.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if err := chain.Next(e); err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
		if e.Kind == audit.Request && (e.Digest == "" || e.Args["records"] != "0" || e.Args["user"] != "alice") {
			t.Errorf("what was asked for is not whole: %+v", e)
		}
	}
	if want := "map[begun:1 decided:1 ended:1 intent:4 outcome:4 request:1]"; fmt.Sprint(kinds) != want || int(chain.Count) != len(trail(t, db)) {
		t.Errorf("exported are %v", kinds)
	}
	if strings.Contains(string(text), typedSecret) {
		t.Error("a secret that somebody typed stands in the audit")
	}
	content, err := os.ReadFile(db.Path())
	if err != nil || bytes.Contains(content, []byte(typedSecret)) {
		t.Errorf("a secret that somebody typed stands in the database (%v)", err)
	}
}

// Whatever is done to the entries, verify says so; and what was posted before
// tells of an audit that was written anew from some entry on.
func TestATouchedAuditIsSeen(t *testing.T) {
	b, room, db, _ := audited(t)
	for i := range 3 {
		typed(b, fmt.Sprint("n", i), "operator", "halt")
		typed(b, fmt.Sprint("r", i), "operator", "resume-actions")
	}
	typed(b, "head", "operator", "audit head")
	all := trail(t, db)
	posted := all[len(all)-1].Hash
	if !strings.Contains(room.reply("head").Title, posted) {
		t.Errorf("the head is %q, the newest hash %s", room.reply("head").Title, posted)
	}
	if code := typed(b, "ok", "operator", "audit verify "+posted[:12]); code != bot.ExitDone || room.reply("ok").Level != message.OK {
		t.Errorf("%+v", room.reply("ok"))
	}
	var before audit.Entry
	for what, touch := range map[string]func(audit.Entry) []audit.Entry{
		"a word changed": func(e audit.Entry) []audit.Entry {
			if e.Number == 4 {
				e.By = "guest"
			}
			return []audit.Entry{e}
		},
		"one is missing": func(e audit.Entry) []audit.Entry {
			if e.Number == 4 {
				return nil
			}
			return []audit.Entry{e}
		},
		"the last ones are missing": func(e audit.Entry) []audit.Entry {
			if e.Number > 9 {
				return nil
			}
			return []audit.Entry{e}
		},
		"all written anew": func(e audit.Entry) []audit.Entry {
			if e.Number == 1 {
				before, e.By = audit.Entry{}, "guest"
			}
			before = e.After(before)
			return []audit.Entry{before}
		},
	} {
		db.touch = touch
		if code := typed(b, what, "operator", "audit verify "+posted); code != bot.ExitRefused || room.reply(what).Level != message.Critical {
			t.Errorf("%s: %+v", what, room.reply(what))
		} else {
			t.Logf("%s: %s", what, room.reply(what).Title)
		}
	}
}

// Strangers and those who may not have their refusal recorded; looking has no
// entry; and without a record nothing is done.
func TestWhatIsAudited(t *testing.T) {
	b, _, db, _ := audited(t)
	typed(b, "1", "operator", "status")
	typed(b, "2", "operator", "restart edge1 --dry-run")
	typed(b, "3", "operator", "no such words")
	typed(b, "4", "nobody", "status")
	if all := trail(t, db); len(all) != 0 {
		t.Errorf("entries about nothing: %+v", all)
	}
	typed(b, "5", "nobody", "restart edge1")
	typed(b, "6", "guest", "halt --cluster main") // a viewer may
	b.Handle(t.Context(), inbox.Delivery{ID: "7", Caller: "slack:U99", Via: "slack", Text: "approve REQ-9"}).Wait()
	var got []string
	for _, e := range trail(t, db) {
		got = append(got, fmt.Sprint(e.Kind, " ", e.By, " ", e.Caller, " ", e.Command, " ", e.Class, " ", e.Args))
	}
	want := []string{
		"refused  demo:nobody restart by effect map[target:edge1]",
		"intent guest demo:guest halt tell map[cluster:main]",
		"outcome guest demo:guest halt tell map[cluster:main]",
		"refused  slack:U99 approve tell map[id:9]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
