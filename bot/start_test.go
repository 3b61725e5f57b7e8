package bot_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/escalation"
	"irisops/bot/incident"
)

// slowRoom takes half a minute to show a request.
type slowRoom struct{ bot.Room }

func (r slowRoom) Publish(ctx context.Context, p bot.Post) error {
	if strings.HasPrefix(p.Key, "run/") {
		<-time.After(30 * time.Second) // fake time
	}
	return r.Room.Publish(ctx, p)
}

// What is open is shown again at a start, which takes its time with many open or a
// slow room. Nobody's page waits for that.
func TestNoPageWaitsForWhatIsShownAtAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.policies = map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}}
		s.stop()
		s.start()
		s.ask("operator", `declare P0 "no clients can connect"`)
		s.ask("operator", "restart edge1")
		s.stop()
		s.pass(20 * time.Minute) // it is down when the step comes due
		s.slow = true
		begun := time.Now()
		s.start()
		defer s.stop()
		if shown := time.Since(begun); shown < 30*time.Second {
			t.Fatalf("it was shown after %s: the room is not slow", shown)
		}
		pages, err := s.db.PagesOf("INC-1")
		if err != nil || len(pages) != 1 {
			t.Fatalf("%v, %v", pages, err)
		}
		if late := pages[0].Queued.Sub(begun); late > 200*time.Millisecond {
			t.Errorf("paged %s after the start", late)
		}
	})
}
