package slack

import (
	"strings"
	"time"

	"irisops/bot/slack/outbox"
)

// lane is how urgent a message is. A lower one passes a higher one wherever both
// wait. That something arrived is acknowledged another way, and waits for none.
type lane int

const (
	laneAck      lane = iota // what one person is answered privately: that they were heard, or refused
	lanePage                 // pages, trouble, and the head of a thread, which others wait for
	laneApproval             // what a person has to decide on
	laneAnswer               // what was asked for
	laneProgress             // edits: the live checklist, the present state of an incident
	laneCosmetic             // buttons that are over, pins
)

func laneOf(p outbox.Post) lane {
	switch {
	case p.User != "":
		return laneAck
	case p.TS != "" && (p.Record != "" || p.Shown == p.Hash):
		return laneCosmetic
	case p.TS != "":
		return laneProgress
	case p.OnCall, p.Parent:
		return lanePage
	case strings.HasPrefix(p.Key, keyRun) && len(p.Message.Buttons) > 0:
		return laneApproval
	}
	return laneAnswer
}

// method is one of the ways a message goes, each with a limit of its own.
type method int

const (
	posting method = iota
	editing
	whispering
	pinning
	uploading
)

func methodOf(p outbox.Post) method {
	switch {
	case p.User != "":
		return whispering
	case p.Upload:
		return uploading
	case p.TS != "" && p.Shown == p.Hash:
		return pinning
	case p.TS != "":
		return editing
	}
	return posting
}

// rate is what Slack allows: so many at once, and then one in every.
type rate struct {
	burst float64
	every time.Duration
}

// A new message goes to a channel about every second, with short bursts. The
// other methods are counted in the whole workspace: 50 edits, 100 private
// messages and files, and 20 pins a minute, of which a little is left over.
// https://docs.slack.dev/apis/web-api/rate-limits
var (
	inChannel = map[method]rate{posting: {5, time.Second}, editing: {5, time.Second}, whispering: {5, time.Second / 2}, pinning: {1, time.Second}, uploading: {3, time.Second}}
	inAll     = map[method]rate{editing: {10, 1250 * time.Millisecond}, whispering: {20, 650 * time.Millisecond}, pinning: {3, 3500 * time.Millisecond}, uploading: {10, 650 * time.Millisecond}}
)

// bucket holds what may still be sent now.
type bucket struct {
	rate
	tokens float64
	filled time.Time
}

func newBucket(r rate, now time.Time) *bucket { return &bucket{r, r.burst, now} }

// wait is how long until one may be sent; 0 is now.
func (b *bucket) wait(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.tokens = min(b.burst, b.tokens+float64(now.Sub(b.filled))/float64(b.every))
	b.filled = now
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - b.tokens) * float64(b.every))
}

func (b *bucket) take() {
	if b != nil {
		b.tokens--
	}
}
