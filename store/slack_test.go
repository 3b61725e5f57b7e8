package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"

	"github.com/google/go-cmp/cmp"
)

func TestEveryFieldOfASlackPostIsKept(t *testing.T) {
	db := memory(t)
	var p outbox.Post
	n := 0
	for i := range reflect.TypeFor[outbox.Post]().NumField() {
		if name := reflect.TypeFor[outbox.Post]().Field(i).Name; name != "Message" { // it holds itself
			fill(reflect.ValueOf(&p).Elem().Field(i), &n)
		}
	}
	p.Message = message.Message{Level: message.Page, Title: "down", Blocks: []message.Block{{Fold: &message.Fold{Title: "more", Blocks: []message.Block{{Text: "x"}}}}},
		Buttons: []message.Button{{Label: "Ack", Words: "ack", Style: message.Danger, Confirm: "sure?"}}}
	p.Failed = ""
	must(t, db.AmendPost(t.Context(), p.Key, func(q *outbox.Post) bool { *q = p; return true }))
	got, ok, err := db.PostOf(p.Key)
	if diff := cmp.Diff(p, got); err != nil || !ok || diff != "" {
		t.Errorf("%v %v %s", ok, err, diff)
	}
	if _, ok, _ := db.PostOf("another"); ok {
		t.Error("there is a post that nobody wrote")
	}
	if got, ok, err := db.PostAt(p.Channel, p.TS); err != nil || !ok || got.Key != p.Key {
		t.Errorf("at its place: %+v %v %v", got, ok, err)
	}
}

func TestSlackPostsArePendingUntilShown(t *testing.T) {
	path := ""
	db := open(t, path, Options{})
	keys := func(db *DB) (keys []string) {
		for _, p := range value(db.PendingPosts())(t) {
			keys = append(keys, p.Key)
		}
		return keys
	}
	want := func(key, hash string, at time.Time) {
		t.Helper()
		must(t, db.AmendPost(t.Context(), key, func(p *outbox.Post) bool {
			p.Channel, p.Hash, p.Created = "C1", hash, at
			return true
		}))
	}
	want("b", "1", t0)
	want("a", "1", t0.Add(time.Second))
	if diff := cmp.Diff([]string{"b", "a"}, keys(db)); diff != "" {
		t.Error(diff)
	}
	shown := func(p *outbox.Post) bool { p.TS, p.Shown = "1.2", p.Hash; return true }
	must(t, db.AmendPost(t.Context(), "b", shown))
	must(t, db.AmendPost(t.Context(), "b", func(p *outbox.Post) bool { p.Hash = "3"; return false }))
	if diff := cmp.Diff([]string{"a"}, keys(db)); diff != "" {
		t.Error(diff)
	}
	want("b", "2", t0)
	must(t, db.AmendPost(t.Context(), "a", func(p *outbox.Post) bool { p.Failed = "no"; return true }))
	must(t, db.Close())
	db = open(t, db.Path(), Options{})
	if diff := cmp.Diff([]string{"b"}, keys(db)); diff != "" {
		t.Error(diff)
	}
	if under := value(db.PostsUnder("a"))(t); len(under) != 1 || under[0].Key != "a" {
		t.Errorf("under a: %+v", under)
	}
	must(t, db.ForgetPost(t.Context(), "b"))
	must(t, db.ForgetPost(t.Context(), "b"))
	if _, ok, err := db.PostAt("C1", "1.2"); ok || err != nil || len(keys(db)) != 0 {
		t.Error("it is not forgotten", ok, err)
	}
	wantCode(t, db.AmendPost(t.Context(), "", shown), CodeInvalid)
}

// What is over for long is forgotten; what is open, waits, or is young is not.
func TestPrunePosts(t *testing.T) {
	db := memory(t)
	old := time.Now().Add(-40 * 24 * time.Hour)
	before := time.Now().Add(-30 * 24 * time.Hour)
	keep := func(key string, p outbox.Post) {
		p.Key, p.Channel, p.Hash, p.TS = key, "C1", "h", "1."+key
		if p.Shown == "" {
			p.Shown = "h"
		}
		if p.Created.IsZero() {
			p.Created = old
		}
		must(t, db.AmendPost(t.Context(), key, func(q *outbox.Post) bool { *q = p; return true }))
	}
	open := declare(t, db, "open", old)
	closed := apply(t, db, declare(t, db, "closed long ago", old), incident.DeclaredResolved{By: "operator", Reason: "over"}, old)
	keep("incident/"+open.ID(), outbox.Post{Incident: open.ID(), Parent: true})
	keep("incident/"+closed.ID(), outbox.Post{Incident: closed.ID(), Parent: true})
	keep("reply/of/nothing", outbox.Post{})
	keep("reply/young", outbox.Post{Created: time.Now()})
	keep("reply/waits", outbox.Post{Shown: "another"})
	keep("run/REQ-9", outbox.Post{}) // no such request any more
	for range 2 * pruneBatch {
		keep(fmt.Sprint("many/", rand.Uint64()), outbox.Post{})
	}
	n, err := db.PrunePosts(t.Context(), before)
	if err != nil || n != 3+2*pruneBatch {
		t.Errorf("%d, %v", n, err)
	}
	left, err := db.PostsUnder("")
	must(t, err)
	var keys []string
	for _, p := range left {
		keys = append(keys, p.Key)
	}
	if diff := cmp.Diff([]string{"incident/" + open.ID(), "reply/waits", "reply/young"}, keys); diff != "" {
		t.Error(diff)
	}
	if _, ok, _ := db.PostAt("C1", "1.reply/of/nothing"); ok {
		t.Error("its place is still known")
	}
}

// What was said and what answers it are kept together, once.
func TestReceivedWithItsAnswer(t *testing.T) {
	db := memory(t)
	d := delivery("a", t0)
	d.Answered = t0
	answer := outbox.Post{Key: "reply/a", Channel: "C1", Created: t0, Hash: "h", Message: message.Message{Title: "yes."}}
	if fresh := value(db.ReceiveAnswered(t.Context(), d, []outbox.Post{answer}))(t); !fresh {
		t.Error("it is not fresh")
	}
	again := answer
	again.Message.Title = "no."
	if fresh := value(db.ReceiveAnswered(t.Context(), d, []outbox.Post{again}))(t); fresh {
		t.Error("the same again is fresh")
	}
	if fresh := value(db.Receive(t.Context(), d))(t); fresh {
		t.Error("it is fresh another way")
	}
	if diff := cmp.Diff([]outbox.Post{answer}, value(db.PendingPosts())(t)); diff != "" {
		t.Error(diff)
	}
	if left := value(db.Unanswered())(t); len(left) != 0 {
		t.Errorf("unanswered: %+v", left)
	}
	must(t, db.NotePost(t.Context(), "reply/a", func(p *outbox.Post) bool { p.TS, p.Shown = "1.1", p.Hash; return true }))
	audited(t, db, t0)

	// Forgotten, it counts as fresh, and is answered anew.
	if removed := value(db.Prune(t.Context(), t0.Add(1)))(t); removed != 1 {
		t.Errorf("%d forgotten", removed)
	}
	if fresh := value(db.ReceiveAnswered(t.Context(), d, []outbox.Post{again}))(t); !fresh {
		t.Error("what was forgotten is not fresh")
	}
	if diff := cmp.Diff([]outbox.Post{again}, value(db.PendingPosts())(t)); diff != "" {
		t.Error(diff)
	}
	if _, ok, err := db.PostAt("C1", "1.1"); ok || err != nil {
		t.Errorf("the old answer is still known where it stood, %v", err)
	}
	audited(t, db, t0)

	_, err := db.ReceiveAnswered(t.Context(), delivery("b", t0), nil)
	wantCode(t, err, CodeInvalid)
	d.ID = "c"
	_, err = db.ReceiveAnswered(t.Context(), d, []outbox.Post{{}})
	wantCode(t, err, CodeInvalid)
}

// What nobody waits for shares the next commit, and is kept alone if none comes.
func TestANoteSharesACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commits := 0
		db := open(t, "", Options{noSync: true, Failpoint: func(name string) {
			if name == "commit/after" {
				commits++
			}
		}})
		defer db.Close()
		note := func(ts string) <-chan error {
			noted := make(chan error, 1)
			go func() {
				noted <- db.NotePost(context.Background(), "reply/a", func(p *outbox.Post) bool { p.TS = ts; return true })
			}()
			synctest.Wait()
			return noted
		}
		noted := note("1.1")
		value(db.Receive(t.Context(), delivery("b", t0)))(t)
		must(t, <-noted)
		if commits != 1 {
			t.Errorf("%d commits for both", commits)
		}
		began := time.Now()
		must(t, <-note("2.2"))
		if waited := time.Since(began); commits != 2 || waited != company {
			t.Errorf("%d commits, the last after %s", commits, waited)
		}
		if p, _, err := db.PostOf("reply/a"); err != nil || p.TS != "2.2" {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
