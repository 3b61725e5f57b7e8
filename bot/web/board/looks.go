package board

import (
	"context"
	"sync"
	"time"

	"irisops/bot/message"
)

const (
	// fresh is how old a diagnosis may be while somebody looks. It is longer than
	// the Erlang link stays up unused, so that a board left open holds none.
	fresh = 10 * time.Second
	// patience is how long a page that is loaded waits for one.
	patience = 3 * time.Second
	// lookWithin bounds a diagnosis in the background.
	lookWithin = 20 * time.Second
)

// looks keeps the last quick diagnosis of each cluster, and looks again only
// when somebody wants to see it.
type looks struct {
	all []*look
}

type look struct {
	Cluster

	mu      sync.Mutex
	last    message.Message
	at      time.Time
	running chan struct{} // closed when the look under way has ended; nil: none is
}

func newLooks(clusters []Cluster) *looks {
	l := &looks{}
	for _, c := range clusters {
		l.all = append(l.all, &look{Cluster: c})
	}
	return l
}

// Seen is a cluster as it was seen last.
type Seen struct {
	Name    string
	Message message.Message
	At      time.Time // zero: not yet
}

// note says which cluster it is and when it was seen.
func (s Seen) note(zone *time.Location) string {
	if s.At.IsZero() {
		return s.Name
	}
	return s.Name + ", looked at " + s.At.In(zone).Format("15:04:05 MST")
}

// see answers with what was seen last, and has it looked at again if that is
// old. A page that is loaded waits for that; an open one gets it with the next
// beat, and waits only before there is anything.
func (l *look) see(ctx context.Context, now time.Time, loading bool) Seen {
	l.mu.Lock()
	if now.Sub(l.at).Abs() > fresh && l.running == nil {
		l.running = make(chan struct{})
		go l.again(l.running)
	}
	wait := l.running
	if !l.at.IsZero() && !loading {
		wait = nil
	}
	l.mu.Unlock()
	if wait != nil {
		timeout := time.NewTimer(patience)
		defer timeout.Stop()
		select {
		case <-wait:
		case <-ctx.Done():
		case <-timeout.C:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return Seen{Name: l.Name, Message: message.Message{Level: message.Unknown, Title: "The first look is under way."}}
	}
	return Seen{Name: l.Name, Message: l.last, At: l.at}
}

func (l *look) again(done chan struct{}) {
	m := message.Message{Level: message.Unknown, Title: "The diagnosis broke off: see the log of irisops."}
	defer func() {
		_ = recover() // a fault of one check must not end the process; the message says unknown
		l.mu.Lock()
		l.last, l.at, l.running = m, time.Now(), nil
		l.mu.Unlock()
		close(done)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	found, err := l.Diagnose(ctx)
	if err != nil {
		found = message.Message{Level: message.Unknown, Title: "The cluster could not be looked at: " + err.Error()}
	}
	m = found
}
