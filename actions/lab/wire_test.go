package lab_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// client is one client of an edge.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func connect(t *testing.T, l *lab.Lab, edge string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(node(t, l, edge).Port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func login(t *testing.T, l *lab.Lab, edge, user string) *client {
	t.Helper()
	c := connect(t, l, edge)
	c.write("\x01" + user)
	c.expect("\x03LOGIN_OK", 10*time.Second)
	return c
}

func (c *client) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(want string, within time.Duration) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.in, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// silent fails if anything arrives in this time.
func (c *client) silent(during time.Duration) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(during))
	b, err := c.in.ReadByte()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		rest, _ := c.in.Peek(c.in.Buffered())
		c.t.Fatalf("something arrived: %q (%v)", append([]byte{b}, rest...), err)
	}
}

func (c *client) closed(within time.Duration) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(within))
	if b, err := c.in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("the connection is still open: %q, %v", b, err)
	}
}

func str16(s string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s
}

func message(to, msg string) string { return "\x02" + str16(to) + str16(msg) }

func (c *client) send(to, msg string) {
	c.t.Helper()
	c.write(message(to, msg))
}

// receive reads one delivery.
func (c *client) receive(want string) (id string) {
	c.t.Helper()
	id, got := c.next()
	if got != want {
		c.t.Fatalf("received %q, want %q", got, want)
	}
	return id
}

func (c *client) next() (id, msg string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c.in, b); err != nil {
			c.t.Fatalf("no delivery: %v", err)
		}
		return b
	}
	if op := read(1); op[0] != 0x10 {
		c.t.Fatalf("not a delivery: %x", op)
	}
	id = string(read(int(binary.BigEndian.Uint16(read(2)))))
	return id, string(read(int(binary.BigEndian.Uint32(read(4)))))
}

func (c *client) ack(id string) {
	c.t.Helper()
	c.write("\x03" + id)
}

// pidOf binds P, in an expression for ask, to the user's connection.
func pidOf(user string) string {
	return fmt.Sprintf("[{_, P}] = Call(ets, lookup, [local_presence_v2, <<%q>>]), ", user)
}

// offline waits until so many messages wait for the user in bucket 0.
func offline(t *testing.T, l *lab.Lab, user string, count int, within time.Duration) {
	t.Helper()
	var got string
	eventually(t, within, fmt.Sprintf("%d messages waiting for %s (last: %s)", count, user, got), func() bool {
		got = ask(t, l, "core", fmt.Sprintf("length(Call(mnesia, dirty_read, [offline_msg, {<<%q>>, 0}]))", user))
		return got == strconv.Itoa(count)
	})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	t.Run("on one edge", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "m1-a"), login(t, shared, "edge1", "m1-b")
		a.send("m1-b", "hello")
		b.ack(b.receive("hello"))
	})
	t.Run("from edge to edge", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "m2-a"), login(t, shared, "edge2", "m2-b")
		known := fmt.Sprintf("element(1, Call(iris_core, lookup_user, [<<%q>>]))", "m2-b")
		eventually(t, 10*time.Second, "the core knows m2-b", func() bool { return ask(t, shared, "core", known) == "ok" })
		a.send("m2-b", "hello")
		b.ack(b.receive("hello"))
	})
	t.Run("half a minute after the login", func(t *testing.T) {
		t.Parallel()
		login(t, shared, "edge1", "m5-a")
		got := ask(t, shared, "core", `Find = fun F() -> case Call(ets, lookup, [presence_local, <<"m5-a">>]) of
				[{U, E}] -> {U, E};
				[] -> timer:sleep(20), F()
			end end,
			{U, E} = Find(),
			{ok, _, P} = Call(iris_core, lookup_user, [U]),
			true = is_pid(P),
			true = Call(ets, insert, [presence_local, {U, setelement(6, E, element(6, E) - 30001)}]),
			Call(iris_presence, lookup_local, [U])`)
		if want := "{error,expired}"; got != want {
			t.Errorf("the core says %s, want %s", got, want)
		}
	})
	t.Run("several in one segment", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "m3-a"), login(t, shared, "edge1", "m3-b")
		a.write(message("m3-b", "one") + message("m3-b", "two"))
		b.ack(b.receive("one"))
		b.receive("two")
	})
	t.Run("status", func(t *testing.T) {
		t.Parallel()
		a := login(t, shared, "edge1", "m4-a")
		a.write("\x05" + str16("m4-nobody"))
		a.expect("\x06"+str16("m4-nobody")+"\x00"+strings.Repeat("\x00", 8), 5*time.Second)
	})
}

func TestOfflineMessages(t *testing.T) {
	t.Parallel()
	a := login(t, shared, "edge1", "o-a")
	a.send("o-b", "first")
	offline(t, shared, "o-b", 1, 10*time.Second)
	a.send("o-b", "second")
	offline(t, shared, "o-b", 2, 10*time.Second)

	b := login(t, shared, "edge1", "o-b")
	b.receive("first")
	b.receive("second")
	b.silent(200 * time.Millisecond)
	// The login has deleted them, acknowledged or not.
	offline(t, shared, "o-b", 0, 5*time.Second)
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	got := ask(t, shared, "core", `U = <<"bucket-user">>,
		One = Call(iris_core, get_bucket_count, [U]),
		{atomic, ok} = Call(iris_core, set_bucket_count, [U, 4]),
		Four = Call(iris_core, get_bucket_count, [U]),
		Sent = [integer_to_binary(I) || I <- lists:seq(1, 12)],
		[ok = Call(iris_core, store_offline, [U, M]) || M <- Sent],
		ok = Call(iris_durable_batcher, force_flush, []),
		Used = length([B || B <- lists:seq(0, 3), Call(mnesia, dirty_read, [offline_msg, {U, B}]) =/= []]),
		Wrong = Call(mnesia, dirty_read, [offline_msg, U]),
		Seen = lists:sort(Call(iris_offline_storage, retrieve_lockfree, [U, 4])) =:= lists:sort(Sent),
		Took = lists:sort(Call(iris_core, retrieve_offline, [U])) =:= lists:sort(Sent),
		{One, Four, Used > 1, Wrong, Seen, Took, Call(iris_core, retrieve_offline, [U])}`)
	if want := "{1,4,true,[],true,true,[]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFaultsOfTheProtocol(t *testing.T) {
	t.Parallel()
	t.Run("login not alone in its segment", func(t *testing.T) {
		t.Parallel()
		b := login(t, shared, "edge1", "q1-b")
		c := connect(t, shared, "edge1")
		c.write("\x01q1-a" + message("q1-b", "lost"))
		c.expect("\x03LOGIN_OK", 5*time.Second) // as a user of a strange name
		b.silent(300 * time.Millisecond)
	})
	t.Run("two acknowledgements in one segment", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "q2-a"), login(t, shared, "edge1", "q2-b")
		a.send("q2-b", "one")
		a.send("q2-b", "two")
		one, two := b.receive("one"), b.receive("two")
		b.write("\x03" + one + "\x03" + two)
		b.conn.Close() // what is not acknowledged is stored
		offline(t, shared, "q2-b", 2, 10*time.Second)
		again := login(t, shared, "edge1", "q2-b")
		_, x := again.next()
		_, y := again.next()
		if got := []string{x, y}; !slices.Contains(got, "one") || !slices.Contains(got, "two") {
			t.Errorf("delivered again: %q", got)
		}
	})
	t.Run("acknowledgements one by one", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "q3-a"), login(t, shared, "edge1", "q3-b")
		for _, msg := range []string{"one", "two"} {
			a.send("q3-b", msg)
			b.ack(b.receive(msg))
			eventually(t, 10*time.Second, "the edge has read the acknowledgement", func() bool {
				return ask(t, shared, "edge1", pidOf("q3-b")+"map_size(element(5, sys:get_state(P)))") == "0"
			})
		}
		b.conn.Close()
		login(t, shared, "edge1", "q3-b").silent(300 * time.Millisecond)
	})
	t.Run("a delivery without acknowledgement", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "q4-a"), login(t, shared, "edge1", "q4-b")
		sent := time.Now()
		a.send("q4-b", "unheard")
		b.receive("unheard")
		offline(t, shared, "q4-b", 1, 30*time.Second)
		if took := time.Since(sent); took < 10*time.Second {
			t.Errorf("it went offline after %v already", took)
		}
	})
	t.Run("rubbish", func(t *testing.T) {
		t.Parallel()
		a, b := login(t, shared, "edge1", "q5-a"), login(t, shared, "edge1", "q5-b")
		a.write("\xff\xff\xff")
		// What shares its segment is lost as well, so this may take more than one.
		eventually(t, 10*time.Second, "the connection answers again", func() bool {
			a.write("\x05" + str16("q5-b"))
			a.conn.SetReadDeadline(time.Now().Add(time.Second))
			_, err := a.in.Discard(3 + len("q5-b") + 9)
			return err == nil
		})
		a.send("q5-b", "still here")
		b.ack(b.receive("still here"))
	})
}

// These take the listener down with them, so they have a lab of their own.
func TestFaultsThatTakeTheEdgeDown(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	b := login(t, l, "edge1", "b")
	ask(t, l, "edge1", pidOf("b")+`Call(erlang, send, [P, {deliver_msg, <<"by hand">>}])`)
	b.ack(b.receive("by hand"))

	// A list of messages crashes the connection, and every other one with it.
	other := login(t, l, "edge1", "other")
	ask(t, l, "edge1", pidOf("b")+`Call(erlang, send, [P, {deliver_msg, [<<"one">>, <<"two">>]}])`)
	b.closed(5 * time.Second)
	other.closed(5 * time.Second)

	refused := func(start, want string) {
		t.Helper()
		eventually(t, 5*time.Second, "the edge listens again", func() bool {
			return dial(t.Context(), "127.0.0.1", node(t, l, "edge1").Port) == nil
		})
		bystander := login(t, l, "edge1", "bystander")
		ask(t, l, "edge1", start)
		c := connect(t, l, "edge1")
		c.write("\x01probe")
		c.expect(want, 5*time.Second)
		c.closed(5 * time.Second)
		bystander.closed(5 * time.Second)
	}
	refused("{ok, _} = Call(gen_server, start, [{local, iris_auth}, iris_auth, [], []])", "AUTH_FAILED")
	ask(t, l, "edge1", "Call(gen_server, stop, [iris_auth])")
	refused("{ok, _} = Call(gen_server, start, [{local, iris_rate_limiter}, iris_auth, [], []])", "RATE_LIMITED")
}
