package soak

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions/edge"
)

// What IRIS itself may lose, and so is counted and not asked for:
//
//   - what was sent less than settle before a node was killed: IRIS answers no send,
//     keeps a message in memory at first, and writes its log within two seconds;
//   - what is sent while a node is killed, stopped, or restarted by people: the
//     connection takes it, and nobody may read it;
//   - what an edge says in its log that it could not store: for half a minute it
//     does not try a core that has failed it, and parted from the other it has none.
//
// Everything else is owed: what clients send in the calm, to users who are not
// there, and have settle to come to rest; and what they send to either side of a
// cluster that is parted, if nothing else breaks: the cores of each side keep it,
// and settling the split brings both together. What is owed is asked for when all
// faults are over, whatever was killed in between. That some of it comes twice is
// IRIS's way (an acknowledgement may be lost with a connection); it is counted.
const settle = 3 * time.Second

// clients send messages, each user's numbered, and count what comes.
type clients struct {
	mu   sync.Mutex
	owed map[string][]string // user: what has to come
	may  map[string][]string // user: what was sent and may be lost
	next int                 // makes users: one whom an edge still takes for present would lose messages

	stops []func()
}

func (c *clients) begin() { c.owed, c.may = map[string][]string{}, map[string][]string{} }

func (c *clients) user(for_ string) string {
	c.next++
	return fmt.Sprintf("soak-%s-%d", for_, c.next)
}

func (s *soak) dial(ctx context.Context, short, user string) (*edge.Conn, error) {
	n, err := s.lab.Node(short)
	if err != nil {
		return nil, err
	}
	c, err := edge.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", n.Port))
	if err != nil {
		return nil, err
	}
	if err := c.Login(ctx, user, ""); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// owe sends so many messages through an edge to somebody who is away.
func (c *clients) owe(s *soak, short string, count int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	conn, err := s.dial(ctx, short, "soak-sender-"+short)
	if err != nil {
		s.t.Fatalf("a client cannot log in to %s in the calm: %v", short, err)
	}
	defer conn.Close()
	user := c.user("calm")
	for i := range count {
		text := fmt.Sprintf("%s/%04d", user, i)
		if err := conn.Send(ctx, user, []byte(text)); err != nil {
			s.t.Fatalf("a client cannot send through %s in the calm: %v", short, err)
		}
		c.owed[user] = append(c.owed[user], text)
	}
}

// stream sends through an edge until hush, and connects again when it has to.
// What it sends is owed, or may be lost.
func (c *clients) stream(s *soak, short string, owed bool) {
	user := c.user("storm")
	if owed {
		user = c.user("parted")
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var conn *edge.Conn
		for n := 0; ; {
			select {
			case <-ctx.Done():
				if conn != nil {
					conn.Close()
				}
				return
			case <-tick.C:
			}
			step, cancel := context.WithTimeout(ctx, time.Second)
			var err error
			if conn == nil {
				conn, err = s.dial(step, short, "soak-stream-"+short)
			}
			if err == nil {
				text := fmt.Sprintf("%s/%04d", user, n)
				if err = conn.Send(step, user, []byte(text)); err == nil {
					n++
					c.mu.Lock()
					if owed {
						c.owed[user] = append(c.owed[user], text)
					} else {
						c.may[user] = append(c.may[user], text)
					}
					c.mu.Unlock()
				} else {
					conn.Close()
					conn = nil
				}
			}
			cancel()
		}
	}()
	c.stops = append(c.stops, func() { cancel(); <-done })
}

// hush ends all streams.
func (c *clients) hush() {
	for _, stop := range c.stops {
		stop()
	}
	c.stops = nil
}

// haul is what somebody was sent, and received.
type haul struct {
	user  string
	owed  bool
	sent  []string
	edges []string // where they log in, one after the other
	got   map[string]int
	err   error
}

// collect logs everybody in for whom something was sent, and holds what comes
// against it.
func (c *clients) collect(s *soak) {
	s.t.Helper()
	var hauls []*haul
	for _, user := range slices.Sorted(maps.Keys(c.owed)) {
		hauls = append(hauls, &haul{user: user, owed: true, sent: c.owed[user]})
	}
	for _, user := range slices.Sorted(maps.Keys(c.may)) {
		hauls = append(hauls, &haul{user: user, sent: c.may[user]})
	}
	var all sync.WaitGroup
	for _, h := range hauls {
		h.edges = []string{s.edge(), s.edge(), s.edge(), s.edge()}
		all.Go(func() { h.err = h.receive(s) })
	}
	all.Wait()
	for _, h := range hauls {
		s.weigh(h)
	}
	c.begin()
}

func (s *soak) edge() string { return pick(s.rand, "edge1", "edge2") }

// weigh counts what came, and misses what had to.
func (s *soak) weigh(h *haul) {
	s.t.Helper()
	if h.err != nil {
		s.t.Fatalf("%s cannot log in when all is mended: %v", h.user, h.err)
	}
	var lost []string
	for _, text := range h.sent {
		if h.got[text] == 0 {
			lost = append(lost, text)
		}
	}
	for text, times := range h.got {
		s.counts["messages received again"] += times - 1
		if h.owed && !slices.Contains(h.sent, text) {
			s.t.Errorf("%s received %q, which nobody sent", h.user, text)
		}
	}
	if !h.owed {
		s.counts["messages sent in the storm"] += len(h.sent)
		s.counts["messages sent in the storm and lost by IRIS"] += len(lost)
		return
	}
	s.counts["messages that had to arrive"] += len(h.sent)
	s.counts["messages that had to arrive and did"] += len(h.sent) - len(lost)
	unstored := s.unstored(h.user)
	s.counts["messages that an edge said it could not store"] += unstored
	if len(lost) > unstored {
		s.t.Errorf("%d of %d messages that had to arrive are lost: %s", len(lost), len(h.sent), strings.Join(lost, " "))
	}
}

// unstored is how often an edge wrote into its log that a message for the user
// could not be stored.
func (s *soak) unstored(user string) (n int) {
	s.t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.lab.Dir(), "edge*.log*"))
	s.must(err)
	for _, log := range logs {
		text, err := os.ReadFile(log)
		s.must(err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "Failed to store offline") && strings.Contains(line, `<<"`+user+`">>`) {
				n++
			}
		}
	}
	return n
}

// receive takes what is kept for the user. A login gives what is in Mnesia; what
// was sent last may come with the next one.
func (h *haul) receive(s *soak) error {
	h.got = map[string]int{}
	for _, short := range h.edges {
		if err := h.drain(s, short); err != nil {
			return err
		}
		if len(h.got) >= len(h.sent) {
			return nil
		}
	}
	return nil
}

func (h *haul) drain(s *soak, short string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 15*time.Second)
	defer cancel()
	conn, err := s.dial(ctx, short, h.user)
	if err != nil {
		return fmt.Errorf("%s: %w", short, err)
	}
	defer conn.Close()
	for wait := 1500 * time.Millisecond; ; wait = 500 * time.Millisecond {
		moment, cancel := context.WithTimeout(ctx, wait)
		d, err := conn.Receive(moment)
		if err == nil {
			h.got[string(d.Body)]++
			err = conn.Ack(moment, d)
		}
		cancel()
		if err != nil {
			return nil // nothing more
		}
	}
}
