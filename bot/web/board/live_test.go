package board

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// news is one event of a stream.
type news struct{ Event, ID, HTML, Text string }

// watch opens a stream, and hands its events out one by one.
func watch(t *testing.T, url string) (next func() news) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() news {
		t.Helper()
		var n news
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				n.Event = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &n); err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return n
	}
}

// all reads until the page is said to be fresh, and returns the sections told.
func all(t *testing.T, next func() news) map[string]string {
	t.Helper()
	told := map[string]string{}
	for {
		n := next()
		if n.Event == "fresh" {
			return told
		}
		if _, twice := told[n.ID]; twice || n.Event != "section" {
			t.Errorf("unexpected: %+v", n)
		}
		told[n.ID] = n.HTML
	}
}

func TestWhatChangesIsSentToOpenPages(t *testing.T) {
	n := aNight()
	server := serve(t, Options{Conversation: n, Incidents: n})
	next := watch(t, server.URL+"/live?page=/")
	if told := all(t, next); !strings.Contains(told["open"], "P0 open") || told["waiting"] == "" || told["oncall"] == "" {
		t.Errorf("first every section is told: %v", told)
	}
	n.acknowledge()
	if n := next(); n.ID != "open" || !strings.Contains(n.HTML, "P0 acknowledged") {
		t.Errorf("the news is %+v", n)
	}
	// Who comes later, or again after a night, had the page from before that.
	if told := all(t, watch(t, server.URL+"/live?page=/")); !strings.Contains(told["open"], "P0 acknowledged") || told["oncall"] == "" {
		t.Errorf("a second reader is told %v", told)
	}
}

// A section that is empty by the time the stream begins was not when the page was
// loaded, perhaps.
func TestWhatIsGoneIsTold(t *testing.T) {
	n := aNight()
	n.open = nil
	server := serve(t, Options{Conversation: n, Incidents: n})
	told := all(t, watch(t, server.URL+"/live?page=/incidents"))
	if html, ok := told["stats"]; !ok || html != "" {
		t.Errorf("the empty section is %q, %v", html, ok)
	}
}

func TestAnOpenPageSaysThatItCannotBeRead(t *testing.T) {
	n := aNight()
	server := serve(t, Options{Conversation: n, Incidents: n})
	next := watch(t, server.URL+"/live?page=/")
	all(t, next)
	broken := func(err error) { n.mu.Lock(); n.err = err; n.mu.Unlock() }
	broken(errors.New("the disk is gone"))
	if n := next(); n.Event != "trouble" || !strings.Contains(n.Text, "may be old") || !strings.Contains(n.Text, "the disk is gone") {
		t.Errorf("it says %+v", n)
	}
	if n := watch(t, server.URL+"/live?page=/")(); n.Event != "section" {
		t.Errorf("whoever comes then is told %+v", n)
	}
	broken(nil)
	if n := next(); n.Event != "fresh" {
		t.Errorf("once it can be read, it says %+v", n)
	}
}

// A reader who is too slow is let go, so that it comes again; the others go on,
// and nothing is left once all have gone.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &streams{hubs: map[string]*hub{}, html: func(s Section) (string, error) { return s.Title, nil },
			sections: func(context.Context, string, bool) ([]Section, error) {
				n++
				return []Section{{ID: "clock", Title: fmt.Sprint(n)}}, nil
			}}
		slow, unread := s.join("/")
		keen, read := s.join("/")
		last := ""
		done := make(chan struct{})
		go func() {
			defer close(done)
			for data := range read {
				last = string(data)
			}
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		if want := fmt.Sprintf(`"html":"%d"`, n); !strings.Contains(last, want) {
			t.Errorf("the keen reader was told %q, want %s", last, want)
		}
		closed := false
		for range 2 * backlog {
			if _, open := <-unread; !open {
				closed = true
				break
			}
		}
		if !closed {
			t.Error("the slow reader keeps what is old")
		}
		s.leave("/", slow, unread)
		s.leave("/", keen, read)
		close(read)
		<-done
		if len(s.hubs) != 0 || s.readers != 0 {
			t.Errorf("left behind: %d hubs, %d readers", len(s.hubs), s.readers)
		}
	}) // which also finds a goroutine that stays
}
