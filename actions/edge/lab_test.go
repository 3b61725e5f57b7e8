package edge

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// The same against edges that are real Erlang nodes.
func TestProbesOfTheLab(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Cores: 1, Edges: 1})
	n, err := l.Node("edge1")
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port))
	p := NewProber(nil)
	connect := func(user string) *Conn {
		t.Helper()
		c, err := Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), user, ""); err != nil {
			t.Fatal(err)
		}
		return c
	}
	// waiting is what the edge hands over at the next login; it is acknowledged.
	waiting := func(user string) (bodies [][]byte) {
		t.Helper()
		c := connect(user)
		defer c.Close()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			d, err := c.Receive(ctx)
			cancel()
			if actions.CodeOf(err) == actions.CodeHung {
				return bodies
			}
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, d.Body)
			if err := c.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}

	t.Run("login and round trip", func(t *testing.T) {
		login, err := p.Login(t.Context(), addr, probeA)
		if err != nil {
			t.Fatal(err)
		}
		again, delivery, err := p.RoundTrip(t.Context(), addr, probeA, probeB)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("login %s, then %s, delivery %s", login, again, delivery)
		if left := waiting(probeB); len(left) > 0 {
			t.Errorf("came again: %q", left)
		}
	})
	t.Run("acknowledgements are understood one by one", func(t *testing.T) {
		a, b := connect(probeA), connect(probeB)
		const many = 20
		var got []Delivery
		for i := range many {
			if err := a.Send(t.Context(), probeB, fmt.Appendf(nil, "message %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		for range many {
			d, err := b.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d)
		}
		for _, d := range got {
			if err := b.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
		b.Close()
		// Sent together, none would be understood. An edge that is held up for a
		// moment on a busy machine may read a few together.
		if left := waiting(probeB); len(left) > many/2 {
			t.Errorf("%d of %d came again", len(left), many)
		}
	})
	t.Run("mail from before", func(t *testing.T) {
		a := connect(probeA)
		large := bytes.Repeat([]byte("x"), 60_000)
		for _, message := range [][]byte{[]byte("old"), large} {
			if err := a.Send(t.Context(), probeB, message); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
		if _, _, err := p.RoundTrip(t.Context(), addr, probeA, probeB); err != nil {
			t.Fatal(err)
		}
		// The edge may have stored a message only after the probe's login. Once it
		// was acknowledged, it does not come again.
		for tries := 1; len(waiting(probeB)) > 0; tries++ {
			if tries == 5 {
				t.Fatal("the same mail comes again and again")
			}
		}
	})
	t.Run("a message to somebody who is away", func(t *testing.T) {
		took, err := p.Offline(t.Context(), addr, probeA, probeB)
		if err != nil || took <= 0 {
			t.Fatal(took, err)
		}
		// The core, which keeps such messages, is away too.
		if err := l.Pause(t.Context(), "core"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Offline(ctx, addr, probeA, probeB); err == nil {
			t.Error("delivered without a core")
		}
		if err := l.Resume(t.Context(), "core"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("paused", func(t *testing.T) {
		if err := l.Pause(t.Context(), "edge1"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := p.Login(ctx, addr, probeA); actions.CodeOf(err) != actions.CodeHung {
			t.Error(err)
		}
		if err := l.Resume(t.Context(), "edge1"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.RoundTrip(t.Context(), addr, probeA, probeB); err != nil {
			t.Error(err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		if err := l.Kill(t.Context(), "edge1"); err != nil {
			t.Fatal(err)
		}
		// The kernel closes a killed program's connections before its port.
		_, err := p.Login(t.Context(), addr, probeA)
		for actions.CodeOf(err) == CodeClosed {
			_, err = p.Login(t.Context(), addr, probeA)
		}
		if actions.CodeOf(err) != actions.CodeRefused {
			t.Error(err)
		}
	})
}
