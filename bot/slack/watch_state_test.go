package slack

import (
	"testing"
	"time"
)

// A channel that is being read while Slack connects anew is read once more: what
// was said since it was read came by neither connection.
func TestAChannelIsReadAgainIfItWasBeingRead(t *testing.T) {
	t.Parallel()
	var w watch
	now := time.Now()
	channels := []string{"C0OPS"}
	look := func() {
		t.Helper()
		if channel, _, ok := w.next(channels); !ok || channel != "C0OPS" {
			t.Fatalf("%q is to be read, %t", channel, ok)
		}
	}
	w.read(channels, now)
	look()
	w.read(channels, now.Add(time.Second)) // the connection was replaced
	w.done("C0OPS", true)
	if w.open("C0OPS") {
		t.Error("what comes now goes before what was missed meanwhile")
	}
	look()
	w.done("C0OPS", true)
	if !w.open("C0OPS") {
		t.Error("what comes waits for ever")
	}
	if channel, _, ok := w.next(channels); ok {
		t.Errorf("%s is read for ever", channel)
	}
}
