package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
)

// recorder is a connection that notes what is written, and when.
type recorder struct {
	net.Conn // none: whatever else is called would fail
	writes   []string
	times    []time.Time
	fails    error
}

func (r *recorder) Write(b []byte) (int, error) {
	r.writes, r.times = append(r.writes, string(b)), append(r.times, time.Now())
	return len(b), r.fails
}
func (r *recorder) Read([]byte) (int, error)        { return 0, io.EOF }
func (r *recorder) SetDeadline(time.Time) error     { return nil }
func (r *recorder) SetReadDeadline(time.Time) error { return nil }
func (r *recorder) CloseWrite() error               { return nil }
func (r *recorder) Close() error                    { return nil }

// Whatever follows an acknowledgement comes in a write of its own, and later.
func TestNothingFollowsAnAcknowledgementAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		c := &Conn{tcp: r}
		ctx := t.Context()
		did := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		did(c.Send(ctx, "b", []byte("1")))
		did(c.Send(ctx, "b", []byte("2")))
		did(c.Ack(ctx, Delivery{ID: []byte("x")}))
		did(c.Ack(ctx, Delivery{ID: []byte("y")}))
		did(c.Send(ctx, "b", []byte("3")))
		did(c.Send(ctx, "b", []byte("4")))
		did(c.Close())
		want := []struct {
			text string
			gap  time.Duration // after the write before
		}{
			{"\x02\x00\x01b\x00\x011", 0}, {"\x02\x00\x01b\x00\x012", 0}, {"\x03x", 0}, {"\x03y", ackGap},
			{"\x02\x00\x01b\x00\x013", ackGap}, {"\x02\x00\x01b\x00\x014", 0},
		}
		if len(r.writes) != len(want) {
			t.Fatalf("%d writes: %q", len(r.writes), r.writes)
		}
		last := r.times[0]
		for i, w := range want {
			if gap := r.times[i].Sub(last); r.writes[i] != w.text || gap != w.gap {
				t.Errorf("write %d: %q after %s, want %q after %s", i, r.writes[i], gap, w.text, w.gap)
			}
			last = r.times[i]
		}
	})
}

func TestAcknowledgementWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{tcp: &recorder{}}
		if err := c.Ack(t.Context(), Delivery{ID: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), ackGap/2)
		defer cancel()
		if err := c.Ack(ctx, Delivery{ID: []byte("y")}); actions.CodeOf(err) != actions.CodeHung {
			t.Error(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := c.Ack(ctx, Delivery{ID: []byte("y")}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestBrokenConnections(t *testing.T) {
	c := &Conn{tcp: &recorder{fails: io.ErrClosedPipe}}
	if err := c.Send(t.Context(), "b", nil); actions.CodeOf(err) != CodeClosed {
		t.Error(err)
	}
	c = &Conn{tcp: &recorder{}}
	if _, err := c.Receive(t.Context()); actions.CodeOf(err) != CodeClosed {
		t.Error(err)
	}
}
