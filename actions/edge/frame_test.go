package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want frame
		size int
		err  error
	}{
		{"nothing", "", frame{}, 0, nil},
		{"logged in", "\x03LOGIN_OK", frame{kind: loggedIn}, 9, nil},
		{"logged in, and mail", "\x03LOGIN_OK\x10\x00\x01i\x00\x00\x00\x01m", frame{kind: loggedIn}, 9, nil},
		{"part of it", "\x03LOGIN", frame{}, 0, nil},
		{"not quite", "\x03LOGIN_KO", frame{}, 0, errUnexpected},
		{"refused", "AUTH_FAILED", frame{kind: authFailed}, 11, nil},
		{"slowed", "RATE_LIMITED", frame{kind: rateLimited}, 12, nil},
		{"part of a refusal", "A", frame{}, 0, nil},
		{"another word", "AUTHENTICATED", frame{}, 0, errUnexpected},
		{"with a byte before it", "\x03AUTH_FAILED", frame{}, 0, errUnexpected},
		{"delivery", "\x10\x00\x02id\x00\x00\x00\x03msg+", frame{kind: delivery, id: []byte("id"), body: []byte("msg")}, 12, nil},
		{"empty delivery", "\x10\x00\x01i\x00\x00\x00\x00", frame{kind: delivery, id: []byte("i"), body: []byte{}}, 8, nil},
		{"delivery without an id", "\x10\x00\x00\x00\x00\x00\x00", frame{}, 0, errUnexpected},
		{"id too long", "\x10\x01\x01", frame{}, 0, errUnexpected},
		{"delivery too long", "\x10\x00\x01i\x00\x10\x00\x01", frame{}, 0, errTooLarge},
		{"as long as allowed", "\x10\x00\x01i\x00\x10\x00\x00", frame{}, 0, nil},
		{"too many messages", "\xff\x00\x00\x00\x05", frame{kind: slower}, 5, nil},
		{"an error", "\xfe\x00\x03bad", frame{kind: failed, body: []byte("bad")}, 6, nil},
		{"status", "\x06\x00\x01u\x01\x00\x00\x00\x00\x00\x00\x00\x00", frame{kind: notice}, 13, nil},
		{"typing", "\x72\x00\x01u\x01", frame{kind: notice}, 5, nil},
		{"read", "\x75\x00\x01i\x00\x01r\x00\x00\x00\x00\x00\x00\x00\x00", frame{kind: notice}, 15, nil},
		{"zero", "\x00", frame{}, 0, errUnexpected},
		{"HTTP", "HTTP/1.1", frame{}, 0, errUnexpected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := decode([]byte(tt.in))
			if n != tt.size || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%d bytes, %v; want %d, %v", n, err, tt.size, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(frame{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// checkDecode holds for any input: a frame is found only whole, the beginning of
// a frame is never an error, and what follows a frame does not matter.
func checkDecode(t interface{ Fatalf(string, ...any) }, in []byte) {
	f, n, err := decode(in)
	if err != nil {
		if n != 0 || !errors.Is(err, errUnexpected) && !errors.Is(err, errTooLarge) {
			t.Fatalf("%q: %d bytes and %v", in, n, err)
		}
		return
	}
	if n < 0 || n > len(in) || (n == 0) != (f.kind == 0) {
		t.Fatalf("%q: %d bytes of kind %d", in, n, f.kind)
	}
	for i := range n {
		if _, m, err := decode(in[:i]); m != 0 || err != nil {
			t.Fatalf("the first %d bytes of %q: %d, %v", i, in[:n], m, err)
		}
	}
	if again, m, err := decode(in[:n]); n > 0 && (m != n || err != nil || again.kind != f.kind) {
		t.Fatalf("%q alone: %d, %v", in[:n], m, err)
	}
	if f.kind == delivery && !bytes.Equal(deliveryBytes(string(f.id), f.body), in[:n]) {
		t.Fatalf("%q was read as %q, %q", in[:n], f.id, f.body)
	}
	if len(f.id) > maxID || len(f.body) > maxDelivery {
		t.Fatalf("an id of %d and a body of %d bytes", len(f.id), len(f.body))
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "\x03LOGIN_OK", "\x03LOGIN_OK\x10\x00\x01i\x00\x00\x00\x01m", "AUTH_FAILED", "RATE_LIMITED",
		"\x10\x00\x02id\x00\x00\x00\x03msg", "\x10\xff\xff", "\x10\x00\x01i\xff\xff\xff\xff", "\xff\x00\x00\x00\x05",
		"\xfe\x00\x03bad", "\x06\x00\x01u\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\x72\x00\x01u\x01",
		"\x75\x00\x01i\x00\x01r\x00\x00\x00\x00\x00\x00\x00\x00", "HTTP/1.1 400", "\x15\x03\x03\x00\x02\x02\x46",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) { checkDecode(t, in) })
}

// However a conversation is cut into reads, the same deliveries come out.
func TestDeliveriesSurviveAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire []byte
		bodies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 10).Draw(t, "bodies")
		for _, b := range bodies {
			wire = append(wire, deliveryBytes(rapid.StringN(1, 20, 60).Draw(t, "id"), b)...)
		}
		var buf []byte
		var got [][]byte
		for len(wire) > 0 {
			n := rapid.IntRange(1, len(wire)).Draw(t, "read")
			buf, wire = append(buf, wire[:n]...), wire[n:]
			for {
				f, n, err := decode(buf)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
				got, buf = append(got, bytes.Clone(f.body)), buf[n:]
			}
		}
		if len(buf) > 0 || len(got) != len(bodies) {
			t.Fatalf("%d of %d, %d bytes left", len(got), len(bodies), len(buf))
		}
		for i := range got {
			if !bytes.Equal(got[i], bodies[i]) {
				t.Fatalf("body %d: %q", i, got[i])
			}
		}
	})
}

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{encodeLogin("u", ""), "\x01u"},
		{encodeLogin("u", "j.w.t"), "\x01u:j.w.t"},
		{encodeSend("to", []byte("hi")), "\x02\x00\x02to\x00\x02hi"},
		{encodeAck([]byte("id")), "\x03id"},
	} {
		if string(tt.got) != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	if n := binary.BigEndian.Uint16(encodeSend("t", make([]byte, maxSend))[4:]); n != maxSend {
		t.Errorf("the length of the largest message is written as %d", n)
	}
}
