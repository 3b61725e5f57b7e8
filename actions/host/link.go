package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// maxSessions is how many commands run at once over one connection. sshd allows
	// 10 (MaxSessions in sshd_config(5)), and counts one for a moment after it has
	// ended; when it has no room, it is asked again.
	maxSessions = 6
	roomPoll    = 50 * time.Millisecond
	roomTimeout = 2 * time.Second
	// probeTimeout is how long a connection that fell silent has to show life.
	probeTimeout = 3 * time.Second
	maxErrors    = 16 << 10 // bytes kept of a command's standard error
)

// What can go wrong with a command over a link, told apart by Remote.run.
var (
	errNotBegun = errors.New("the connection broke before the command began")
	errLost     = errors.New("the connection broke while the command ran")
	errNoExec   = errors.New("sshd refuses to run commands")
)

// link is one SSH connection that is logged in. It is safe for concurrent use.
type link struct {
	client *ssh.Client
	slots  chan struct{}
	ended  chan struct{} // closed when the connection is
	probed chan struct{} // holds a token while a probe runs
}

func newLink(client *ssh.Client) *link {
	l := &link{client: client, slots: make(chan struct{}, maxSessions),
		ended: make(chan struct{}), probed: make(chan struct{}, 1)}
	go func() {
		_ = client.Wait()
		close(l.ended)
	}()
	return l
}

func (l *link) alive() bool {
	select {
	case <-l.ended:
		return false
	default:
		return true
	}
}

// answer is what a command on the host gave.
type answer struct {
	out  []byte
	cut  bool // there was more output than asked for; the rest was not read
	errs []byte
	exit int  // -1 if not known, because the output was cut or a signal ended it
	held bool // the command ended, but something that it started holds its output
}

// run runs one command line. With merge, standard error goes where standard
// output goes, and the last bytes are kept instead of the first: then nothing is
// cut short. At most max bytes are kept.
func (l *link) run(ctx context.Context, line string, max int, merge bool) (answer, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.ended:
		return answer{}, errNotBegun
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	s := &session{link: l, line: line, max: max, merge: merge}
	type result struct {
		answer answer
		err    error
	}
	results := make(chan result, 1)
	go func() {
		defer func() { <-l.slots }()
		a, err := s.run()
		results <- result{a, err}
	}()
	select {
	case r := <-results:
		return r.answer, r.err
	case <-ctx.Done():
		go func() { // neither may keep the caller
			s.abandon()
			l.probe()
		}()
		return answer{}, ctx.Err()
	}
}

// probe closes a connection over which nothing comes any more, so that the next
// command makes a new one. A command that is slow on a live host costs nothing.
func (l *link) probe() {
	select {
	case l.probed <- struct{}{}:
		defer func() { <-l.probed }()
	default:
		return
	}
	timer := time.AfterFunc(probeTimeout, func() { l.client.Close() })
	defer timer.Stop()
	_, _, _ = l.client.SendRequest("keepalive@openssh.com", true, nil)
}

// session is one command over a link (RFC 4254, section 6).
type session struct {
	link  *link
	line  string
	max   int
	merge bool

	mu        sync.Mutex
	channel   ssh.Channel
	abandoned bool
}

// abandon closes the channel, now or once there is one.
func (s *session) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned = true
	if s.channel != nil {
		s.channel.Close()
	}
}

func (s *session) open() (<-chan *ssh.Request, error) {
	channel, requests, err := s.link.client.OpenChannel("session", nil)
	var refused *ssh.OpenChannelError
	for began := time.Now(); errors.As(err, &refused) && refused.Reason != ssh.Prohibited && time.Since(began) < roomTimeout; {
		select {
		case <-s.link.ended:
			return nil, errNotBegun
		case <-time.After(roomPoll):
		}
		channel, requests, err = s.link.client.OpenChannel("session", nil)
	}
	switch {
	case errors.As(err, &refused):
		return nil, errors.Join(errNoExec, err)
	case err != nil:
		return nil, errNotBegun
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel = channel
	if s.abandoned {
		channel.Close()
		return nil, errNotBegun
	}
	return requests, nil
}

func (s *session) run() (answer, error) {
	requests, err := s.open()
	if err != nil {
		return answer{}, err
	}
	defer s.channel.Close()
	ended := make(chan int, 1) // the exit status; closed without one if there is none
	go func() {
		defer close(ended)
		for r := range requests {
			switch r.Type {
			case "exit-status":
				var status struct{ Status uint32 }
				if ssh.Unmarshal(r.Payload, &status) == nil {
					ended <- int(status.Status)
				}
			case "exit-signal":
				ended <- -1
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}()
	ok, err := s.channel.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{s.line}))
	switch {
	case err != nil:
		return answer{}, errLost // sshd may have begun
	case !ok:
		return answer{}, errNoExec
	}
	_ = s.channel.CloseWrite()
	return s.collect(ended)
}

// collect reads until the command has ended and its output is closed.
func (s *session) collect(ended <-chan int) (answer, error) {
	var out, errs keeper = &head{max: s.max}, &head{max: maxErrors}
	if s.merge {
		both := &tail{tailBuffer: tailBuffer{max: s.max}}
		out, errs = both, both
	}
	var streams sync.WaitGroup
	full := make(chan struct{})
	var once sync.Once
	read := func(to keeper, from io.Reader) {
		if _, err := io.Copy(to, from); errors.Is(err, errFull) {
			once.Do(func() { close(full) })
		}
	}
	streams.Go(func() { read(out, s.channel) })
	streams.Go(func() { read(errs, s.channel.Stderr()) })
	closed := make(chan struct{})
	go func() { streams.Wait(); close(closed) }()

	a := answer{exit: -1}
	var grace <-chan time.Time
	for over := false; !over; {
		select {
		case <-full:
			a.cut, over = true, true
		case status, ok := <-ended:
			if !ok && grace == nil {
				return answer{}, errLost
			}
			if ok {
				a.exit = status
				grace = time.After(outputGrace)
			}
			ended = nil
		case <-closed:
			if grace != nil {
				over = true
				break
			}
			closed = nil // the exit status follows
		case <-grace:
			a.held, over = true, true
		}
		if closed == nil && grace != nil {
			over = true
		}
	}
	a.out = out.bytes()
	if !s.merge {
		a.errs = errs.bytes()
	}
	return a, nil
}

// errFull stops the reading of an output that nobody wants whole.
var errFull = errors.New("the output is too large")

// keeper keeps a part of what is written to it, and may be read meanwhile.
type keeper interface {
	io.Writer
	bytes() []byte
}

// head keeps the first bytes and then stops the reading.
type head struct {
	mu   sync.Mutex
	max  int
	kept []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := min(len(p), h.max-len(h.kept))
	h.kept = append(h.kept, p[:room]...)
	if room < len(p) {
		return room, errFull
	}
	return len(p), nil
}

func (h *head) bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.kept)
}

// tail keeps the last bytes.
type tail struct {
	mu sync.Mutex
	tailBuffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tailBuffer.Write(p)
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.Bytes())
}
