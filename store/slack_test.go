package store

import (
	"reflect"
	"testing"
	"time"

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
