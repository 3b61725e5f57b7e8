package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The wire format, from IRIS's src/iris_proto.erl and src/iris_session.erl.
// Numbers are big-endian.
//
//	to the edge      01 user | 01 user:token    login; the rest of the segment is the user
//	                 02 tlen16 target mlen16 message
//	                 03 id                      acknowledgement; the rest of the segment is the id
//	from the edge    03 "LOGIN_OK"
//	                 "AUTH_FAILED" | "RATE_LIMITED", then the edge closes
//	                 10 idlen16 id len32 message     a delivery
//	                 ff seconds32                    a message was refused: too many
//	                 fe len16 reason                 a request failed
//	                 06 ulen16 user state8 time64    a status
//	                 72 ulen16 user state8           somebody types
//	                 75 idlen16 id rlen16 reader time64   somebody has read a message
const (
	opLogin   = 0x01
	opSend    = 0x02
	opAck     = 0x03 // also begins LOGIN_OK
	opStatus  = 0x06
	opDeliver = 0x10
	opTyping  = 0x72
	opRead    = 0x75
	opFailed  = 0xfe
	opSlower  = 0xff
)

// Bounds, in bytes. IRIS cuts a client off that has more than 64 KiB unread, and
// silently ignores a login of more than 256 bytes.
const (
	maxLogin    = 256
	maxName     = 256
	maxID       = 256
	maxSend     = 65_000
	maxDelivery = 1 << 20
)

type kind int

const (
	loggedIn    kind = iota + 1
	authFailed       // login refused
	rateLimited      // login refused
	slower           // message refused
	failed           // request failed; body is the reason
	delivery         // id and body
	notice           // nothing that a probe waits for
)

// frame is one thing that an edge says. Its slices are parts of the input.
type frame struct {
	kind kind
	id   []byte
	body []byte
}

var words = []struct {
	text []byte
	kind kind
}{
	{append([]byte{opAck}, "LOGIN_OK"...), loggedIn},
	{[]byte("AUTH_FAILED"), authFailed},
	{[]byte("RATE_LIMITED"), rateLimited},
}

var (
	errUnexpected = errors.New("unexpected bytes")
	errTooLarge   = errors.New("too large")
)

// decode reads the first frame of b and says how many bytes it has; 0 bytes
// without an error means that b is the beginning of a frame. Anything else than
// the frames above is errUnexpected, a delivery beyond the bound errTooLarge.
func decode(b []byte) (frame, int, error) {
	if len(b) == 0 {
		return frame{}, 0, nil
	}
	for _, w := range words {
		if bytes.HasPrefix(b, w.text) {
			return frame{kind: w.kind}, len(w.text), nil
		}
		if bytes.HasPrefix(w.text, b) {
			return frame{}, 0, nil
		}
	}
	r := reader{rest: b[1:]}
	var f frame
	switch b[0] {
	case opDeliver:
		f = frame{kind: delivery, id: r.field(2, 1, maxID), body: r.field(4, 0, maxDelivery)}
	case opSlower:
		f.kind = slower
		r.skip(4)
	case opFailed:
		f = frame{kind: failed, body: r.field(2, 0, maxName)}
	case opStatus:
		f.kind = notice
		r.field(2, 0, maxName)
		r.skip(1 + 8)
	case opTyping:
		f.kind = notice
		r.field(2, 0, maxName)
		r.skip(1)
	case opRead:
		f.kind = notice
		r.field(2, 0, maxID)
		r.field(2, 0, maxName)
		r.skip(8)
	default:
		return frame{}, 0, fmt.Errorf("%w: % .16x", errUnexpected, b[:min(len(b), 16)])
	}
	switch {
	case r.err != nil:
		return frame{}, 0, r.err
	case r.short:
		return frame{}, 0, nil
	}
	return f, len(b) - len(r.rest), nil
}

// reader takes fields off the front. After the first one that is missing or
// wrong, it takes nothing more.
type reader struct {
	rest  []byte
	short bool // more bytes are needed
	err   error
}

func (r *reader) skip(n int) []byte {
	if r.short || r.err != nil {
		return nil
	}
	if len(r.rest) < n {
		r.short = true
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

// field takes a length of the given width in bytes, and that many bytes.
func (r *reader) field(width, least, most int) []byte {
	head := r.skip(width)
	if head == nil {
		return nil
	}
	var length uint64
	for _, digit := range head {
		length = length<<8 | uint64(digit)
	}
	switch {
	case length < uint64(least):
		r.err = fmt.Errorf("%w: an empty field", errUnexpected)
		return nil
	case length > uint64(most) && width == 4:
		r.err = fmt.Errorf("%w: a message of %d bytes", errTooLarge, length)
		return nil
	case length > uint64(most):
		r.err = fmt.Errorf("%w: a name of %d bytes", errUnexpected, length)
		return nil
	}
	return r.skip(int(length))
}

func encodeLogin(user, token string) []byte {
	b := append([]byte{opLogin}, user...)
	if token != "" {
		b = append(append(b, ':'), token...)
	}
	return b
}

func encodeSend(target string, message []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{opSend}, uint16(len(target)))
	b = append(b, target...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(message)))
	return append(b, message...)
}

func encodeAck(id []byte) []byte { return append([]byte{opAck}, id...) }
