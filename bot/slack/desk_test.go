package slack

import (
	"testing"
	"time"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// What is refused is tried after 20 s, 40 s ... and at most every 15 minutes.
func TestHold(t *testing.T) {
	var h hold
	now := time.Unix(1_000_000, 0)
	want := []time.Duration{20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 640 * time.Second, 15 * time.Minute, 15 * time.Minute}
	for i, w := range want {
		h.refuse(now)
		if got := h.until.Sub(now); got != w {
			t.Errorf("refusal %d: %s, not %s", i+1, got, w)
		}
	}
	for range 100 {
		h.refuse(now)
	}
	if got := h.until.Sub(now); got != refusedMost {
		t.Errorf("after many: %s", got)
	}
}

// A channel that is refused holds up no other one, and is tried at once when
// somebody speaks there.
func TestRefusedChannel(t *testing.T) {
	k := newDesk()
	now := time.Now()
	post := func(key, channel string) { k.add(outbox.Post{Key: key, Channel: channel, Hash: "h"}, false) }
	head := func(outbox.Post) (string, bool) { return "", true }
	var sentTo []string
	turn := func(now time.Time) []job {
		var jobs []job
		k.dispatch(now, head, func(j job) { jobs = append(jobs, j); sentTo = append(sentTo, j.way.channel) })
		return jobs
	}
	post("a", "C1")
	for _, j := range turn(now) {
		k.settle(sent{it: j.it, way: j.way, failed: true, closed: true})
	}
	post("b", "C2")
	sentTo = nil
	for _, j := range turn(now.Add(10 * time.Second)) {
		k.settle(sent{it: j.it, way: j.way, post: outbox.Post{Key: j.key, Hash: "h", Shown: "h"}})
	}
	if len(sentTo) != 1 || sentTo[0] != "C2" {
		t.Errorf("sent to %q", sentTo)
	}
	k.reopen("C1")
	sentTo = nil
	turn(now.Add(11 * time.Second))
	if len(sentTo) != 1 || sentTo[0] != "C1" {
		t.Errorf("after somebody spoke: %q", sentTo)
	}
}

// What waits goes in the order of its urgency.
func TestLanes(t *testing.T) {
	buttons := message.Message{Buttons: []message.Button{{Label: "Approve", Words: "approve REQ-1"}}}
	order := []outbox.Post{
		{Key: "reply/x", User: "U1"},
		{Key: "page/x", OnCall: true},
		{Key: "run/REQ-1", Message: buttons},
		{Key: "diagnosis/x", Message: buttons},
		{Key: "run/REQ-1", TS: "1.1", Hash: "b", Shown: "a"},
		{Key: "page/x", TS: "1.2", Hash: "b", Shown: "a", Record: "acknowledged"},
	}
	for i, p := range order {
		if got := laneOf(p); got != lane(i) {
			t.Errorf("%s is in lane %d, not %d", p.Key, got, i)
		}
	}
}

// Nothing is left of a watch that had nothing to wait for.
func TestUnwatch(t *testing.T) {
	k := newDesk()
	k.watch("stands")
	k.unwatch("stands")
	k.add(outbox.Post{Key: "waits", Channel: "C1", Hash: "h"}, false)
	changed := k.watch("waits")
	k.unwatch("waits")
	if len(k.watchers) != 1 {
		t.Errorf("%d watchers", len(k.watchers))
	}
	select {
	case <-changed:
		t.Error("what waits is told of before something has come of it")
	default:
	}
}
