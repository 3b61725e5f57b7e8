package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
)

const probeA, probeB = "irisops-probe-edge1-a", "irisops-probe-edge1-b"

func TestProbesOfAGoodEdge(t *testing.T) {
	e := newFake(t, nil)
	p := NewProber(nil)
	login, err := p.Login(t.Context(), e.addr, probeA)
	if err != nil || login <= 0 {
		t.Fatal(login, err)
	}
	login, delivery, err := p.RoundTrip(t.Context(), e.addr, probeA, probeB)
	if err != nil || login <= 0 || delivery <= 0 {
		t.Fatal(login, delivery, err)
	}
	if e.acked(probeB) != 1 || e.kept(t, probeB) != 0 {
		t.Errorf("%d acknowledged, %d kept", e.acked(probeB), e.kept(t, probeB))
	}
}

// Mail of an earlier probe is not taken for this one's, and does not come again.
func TestStaleMailIsAcknowledgedAndIgnored(t *testing.T) {
	for _, change := range []func(*fakeEdge){
		func(e *fakeEdge) {},
		func(e *fakeEdge) { e.drip = true },
	} {
		e := newFake(t, func(e *fakeEdge) {
			change(e)
			for _, user := range []string{probeA, probeB} {
				for i := range 5 {
					e.mailbox[user] = append(e.mailbox[user], fmt.Appendf(nil, "irisops probe of yesterday %d", i))
				}
			}
		})
		p := NewProber(nil)
		_, delivery, err := p.RoundTrip(t.Context(), e.addr, probeA, probeB)
		if err != nil || delivery <= 0 {
			t.Fatal(delivery, err)
		}
		if a, b := e.acked(probeA), e.acked(probeB); a != 5 || b != 6 {
			t.Errorf("acknowledged %d of 5 and %d of 6", a, b)
		}
		if a, b := e.kept(t, probeA), e.kept(t, probeB); a+b != 0 {
			t.Errorf("%d and %d messages are kept", a, b)
		}
	}
}

func TestLoginAcknowledgesOfflineMail(t *testing.T) {
	e := newFake(t, func(e *fakeEdge) { e.mailbox[probeA] = [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("x"), 60_000)} })
	if _, err := NewProber(nil).Login(t.Context(), e.addr, probeA); err != nil {
		t.Fatal(err)
	}
	if e.acked(probeA) != 3 || e.kept(t, probeA) != 0 {
		t.Errorf("%d acknowledged, %d kept", e.acked(probeA), e.kept(t, probeA))
	}
}

// Notices that other users cause are no reason to fail.
func TestNoticesAreSkipped(t *testing.T) {
	e := newFake(t, func(e *fakeEdge) {
		e.drip = true
		e.afterLogin = bytes.Join([][]byte{
			{opTyping, 0, 1, 'u', 1},
			{opRead, 0, 2, 'i', 'd', 0, 1, 'u', 0, 0, 0, 0, 0, 0, 0, 9},
			{opStatus, 0, 1, 'u', 1, 0, 0, 0, 0, 0, 0, 0, 0},
		}, nil)
	})
	if _, _, err := NewProber(nil).RoundTrip(t.Context(), e.addr, probeA, probeB); err != nil {
		t.Fatal(err)
	}
}

func TestTokens(t *testing.T) {
	e := newFake(t, func(e *fakeEdge) { e.token = "very.secret.jwt" })
	_, err := NewProber(nil).Login(t.Context(), e.addr, probeA)
	if actions.CodeOf(err) != actions.CodeAuthFailed {
		t.Error(err)
	}
	_, err = NewProber(map[string]string{probeA: "wrong.secret.jwt"}).Login(t.Context(), e.addr, probeA)
	if actions.CodeOf(err) != actions.CodeAuthFailed || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	p := NewProber(map[string]string{probeA: "very.secret.jwt", probeB: "very.secret.jwt"})
	if _, _, err := p.RoundTrip(t.Context(), e.addr, probeA, probeB); err != nil {
		t.Error(err)
	}
	p = NewProber(map[string]string{probeA: strings.Repeat("s", 300)})
	if _, err := p.Login(t.Context(), e.addr, probeA); actions.CodeOf(err) != CodeBadUser || strings.Contains(err.Error(), "sss") {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeEdge)
		code   string // of both probes
		trip   string // of the round trip, where it differs
	}{
		{name: "not allowed", change: func(e *fakeEdge) { e.token = "x" }, code: actions.CodeAuthFailed},
		{name: "too many logins", change: func(e *fakeEdge) { e.limited = true }, code: actions.CodeRateLimited},
		{name: "too many messages", change: func(e *fakeEdge) { e.slow = true }, trip: actions.CodeRateLimited},
		{name: "hung", change: func(e *fakeEdge) { e.silent = true }, code: actions.CodeHung},
		{name: "does not deliver", change: func(e *fakeEdge) { e.deaf = true }, trip: actions.CodeHung},
		{name: "slams the door", change: func(e *fakeEdge) { e.slams = true }, code: CodeClosed},
		{name: "another protocol", change: func(e *fakeEdge) { e.answers = []byte("HTTP/1.1 400 Bad Request\r\n") }, code: CodeUnexpected},
		{name: "TLS", change: func(e *fakeEdge) { e.answers = []byte{0x15, 3, 3, 0, 2, 2, 0x46} }, code: CodeUnexpected},
		{name: "half an answer", change: func(e *fakeEdge) { e.answers = []byte("\x03LOGIN") }, code: actions.CodeHung},
		{name: "almost an answer", change: func(e *fakeEdge) { e.answers = []byte("\x03LOGIN_NO") }, code: CodeUnexpected},
		{name: "mail before the answer", change: func(e *fakeEdge) { e.answers = deliveryBytes("id", nil) }, code: CodeUnexpected},
		{name: "an error", change: func(e *fakeEdge) { e.answers = []byte{opFailed, 0, 4, 'o', 'o', 'p', 's'} }, code: CodeUnexpected},
		{name: "a second answer", change: func(e *fakeEdge) { e.afterLogin = []byte("\x03LOGIN_OK") }, code: CodeUnexpected},
		{name: "rubbish after the answer", change: func(e *fakeEdge) { e.afterLogin = []byte{0} }, code: CodeUnexpected},
		{name: "an endless message", change: func(e *fakeEdge) { e.afterLogin = []byte{opDeliver, 0, 1, 'i', 0xff, 0xff, 0xff, 0xff} }, code: actions.CodeTooLarge},
		{name: "no id", change: func(e *fakeEdge) { e.afterLogin = []byte{opDeliver, 0, 0, 0, 0, 0, 0} }, code: CodeUnexpected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newFake(t, tt.change)
			p := NewProber(nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := p.Login(ctx, e.addr, probeA)
			if actions.CodeOf(err) != tt.code || tt.code == "" && err != nil {
				t.Errorf("login: %q %v", actions.CodeOf(err), err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if tt.trip == "" {
				tt.trip = tt.code
			}
			login, delivery, err := p.RoundTrip(ctx, e.addr, probeA, probeB)
			if actions.CodeOf(err) != tt.trip || delivery != 0 || tt.code == "" && login == 0 {
				t.Errorf("round trip: %q %v (%v, %v)", actions.CodeOf(err), err, login, delivery)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := NewProber(nil)
	if _, err := p.Login(t.Context(), addr, probeA); actions.CodeOf(err) != actions.CodeRefused {
		t.Error(err)
	}
	if _, err := p.Login(t.Context(), "no-such-host.invalid:8085", probeA); actions.CodeOf(err) != actions.CodeNoHost {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Login(ctx, addr, probeA); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestProbeIsCancelled(t *testing.T) {
	e := newFake(t, func(e *fakeEdge) { e.silent = true })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := NewProber(nil).Login(ctx, e.addr, probeA); !errors.Is(err, context.Canceled) || actions.CodeOf(err) != "" {
		t.Fatal(err)
	}
}

func TestBadUsersNeverReachTheWire(t *testing.T) {
	e := newFake(t, nil)
	p := NewProber(nil)
	for _, user := range []string{"", "a:b", ":", strings.Repeat("a", 257)} {
		if _, err := p.Login(t.Context(), e.addr, user); actions.CodeOf(err) != CodeBadUser {
			t.Errorf("%.20q: %v", user, err)
		}
	}
	if _, _, err := p.RoundTrip(t.Context(), e.addr, probeA, probeA); actions.CodeOf(err) != CodeBadUser {
		t.Error(err)
	}
	c, err := Dial(t.Context(), e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(t.Context(), "", nil); actions.CodeOf(err) != CodeBadUser {
		t.Error(err)
	}
	if err := c.Send(t.Context(), "a", make([]byte, maxSend+1)); actions.CodeOf(err) != actions.CodeTooLarge {
		t.Error(err)
	}
}

// Two probes of one edge at the same time would take each other's messages.
func TestProbesOfOneEdgeTakeTurns(t *testing.T) {
	e := newFake(t, nil)
	p := NewProber(nil)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, _, err := p.RoundTrip(t.Context(), e.addr, probeA, probeB); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := e.kept(t, probeB); n != 0 || e.acked(probeB) != 5 {
		t.Errorf("%d kept, %d acknowledged", n, e.acked(probeB))
	}
}

func TestProbeWaitsForItsTurnOnlySoLong(t *testing.T) {
	p := NewProber(nil)
	_, done, err := p.begin(t.Context(), "h:1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Login(ctx, "h:1", probeA); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	done()
}

// The largest message that IRIS takes comes back unchanged.
func TestConn(t *testing.T) {
	e := newFake(t, nil)
	open := func(user string) *Conn {
		c, err := Dial(t.Context(), e.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), user, ""); err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := open(probeA), open(probeB)
	var sent [][]byte
	for _, size := range []int{0, 1, 4096, maxSend} {
		message := bytes.Repeat([]byte{byte(size)}, size)
		sent = append(sent, message)
		if err := a.Send(t.Context(), probeB, message); err != nil {
			t.Fatal(err)
		}
	}
	var got []Delivery
	for range sent {
		d, err := b.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	for i, d := range got {
		if !bytes.Equal(d.Body, sent[i]) {
			t.Errorf("message %d has changed", i)
		}
		if err := b.Ack(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*Conn{a, b} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := e.kept(t, probeB); n != 0 || e.acked(probeB) != len(sent) {
		t.Errorf("%d kept, %d acknowledged", n, e.acked(probeB))
	}
}
