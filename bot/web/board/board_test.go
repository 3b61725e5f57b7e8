package board

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/drill"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// night is a conversation and its incidents, made up for the pages.
type night struct {
	mu   sync.Mutex
	open []incident.Incident
	says map[string]message.Message
	err  error
}

func (n *night) Peek(_ context.Context, words string) (message.Message, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m, ok := n.says[words]; ok {
		return m, nil
	}
	return message.Message{}, &actions.Error{Code: "no-such-word", Text: "no", Err: ErrNoWord}
}

func (n *night) Waiting() (message.Message, bool) {
	return message.Message{Title: "REQ-3 waits for a second person"}, true
}

func (n *night) Done(incident.Incident) ([]message.Message, error) {
	return []message.Message{{Level: message.OK, Title: "REQ-1 done: Restart edge1"}}, nil
}

func (n *night) Timeline(uint64) ([]incident.Entry, error) {
	return []incident.Entry{{Kind: incident.KindNote, Text: "a note"}, {Kind: incident.KindDiagnosed, Text: "diagnosed: edge1 down"}, {Kind: incident.KindDiagnosed, Text: "diagnosed: later"}}, nil
}

func (n *night) Head(inc incident.Incident) message.Message {
	return message.Message{Level: message.Critical, Title: inc.ID() + " P0 " + string(inc.State) + ": " + inc.Title,
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack"}}}
}

func (n *night) OpenIncidents() ([]incident.Incident, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open, n.err
}
func (n *night) LastIncidents(int) ([]incident.Incident, error) { return n.OpenIncidents() }
func (n *night) Incident(number uint64) (incident.Incident, error) {
	for _, inc := range n.open {
		if inc.Number == number {
			return inc, nil
		}
	}
	return incident.Incident{}, errors.New("none")
}

func (n *night) acknowledge() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = []incident.Incident{{Number: 7, Title: n.open[0].Title, State: incident.Acknowledged}}
}

func aNight() *night {
	return &night{
		open: []incident.Incident{{Number: 7, Title: `<script>alert("x")</script> & more`, State: incident.Open}},
		says: map[string]message.Message{
			"oncall": {Title: "operator is on call", Blocks: []message.Block{{Fields: []message.Field{{Name: "primary", Value: "operator"}}}}},
			"timeline --incident INC-7": {Title: "Timeline of INC-7", Blocks: []message.Block{
				{Table: &message.Table{Header: []string{"At", "What"}, Rows: [][]string{{"07:41", "declared; say `restart edge1`, see INC-3"}}}},
				{Text: "first\n- one\n- two\n\nlast"},
				{Fold: &message.Fold{Title: "the rest", Blocks: []message.Block{{Code: &message.Code{Text: "a < b"}}}}},
				{Checklist: &message.Checklist{Items: []message.Item{{State: message.Done, Text: "start edge1", Note: "pid 1"}}}},
			}},
		},
	}
}

func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	stopping := make(chan struct{})
	o.Stopping = stopping
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b.Handler())
	t.Cleanup(func() { close(stopping); server.Close() })
	return server
}

func get(t *testing.T, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestPagesSayWhatTheConversationSays(t *testing.T) {
	n := aNight()
	clusters := []Cluster{{Name: "main", Diagnose: func(context.Context) (message.Message, error) {
		return message.Message{Level: message.Critical, Title: "edge1 down; core healthy"}, nil
	}}}
	server := serve(t, Options{Conversation: n, Incidents: n, Clusters: clusters})
	for path, wants := range map[string][]string{
		"/": {
			`<a href="/incidents/7">INC-7 P0 open: &lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; more</a>`,
			`edge1 down; core healthy`, `<span class="level">CRITICAL</span>`, `<dt>primary</dt><dd>operator</dd>`, `Next: <code>ack</code>`, `aria-current="page"`, "REQ-3 waits for a second person",
		},
		"/incidents/7": {
			`<th scope="col">What</th>`, `say <code>restart edge1</code>, see <a href="/incidents/3">INC-3</a>`, `<ul><li>one</li><li>two</li></ul>`,
			`<summary>the rest</summary>`, `<pre tabindex="0">a &lt; b</pre>`, `✓ done`, `<small>pid 1</small>`, "<h1>INC-7</h1>", "diagnosed: edge1 down", "REQ-1 done: Restart edge1",
		},
		"/incidents": {`<td>open</td>`},
	} {
		code, body := get(t, server.URL+path)
		if code != http.StatusOK {
			t.Errorf("%s answers %d", path, code)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %s:\n%s", path, want, body)
			}
		}
		if strings.Contains(body, "<script>alert") {
			t.Errorf("%s lets a title be code", path)
		}
	}
}

// Where there are several clusters, words that are about one are asked of each.
func TestSeveralClusters(t *testing.T) {
	n := aNight()
	n.says["backup list --cluster east"] = message.Message{Title: "east has one"}
	n.says["backup list --cluster west"] = message.Message{Title: "west has none"}
	n.says["drill history --cluster west"] = message.Message{Title: "west was drilled"}
	look := func(context.Context) (message.Message, error) { return message.Message{}, nil }
	server := serve(t, Options{Conversation: n, Incidents: n, Clusters: []Cluster{{Name: "east", Diagnose: look}, {Name: "west", Diagnose: look}}})
	for path, wants := range map[string][]string{"/backups": {"Backups of east", "east has one", "Backups of west", "west has none"}, "/drills": {"Drills of west", "west was drilled"}} {
		_, body := get(t, server.URL+path)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %s:\n%s", path, want, body)
			}
		}
	}
}

func TestOddAddresses(t *testing.T) {
	n := aNight()
	server := serve(t, Options{Conversation: n, Incidents: n})
	for _, path := range []string{"/incidents/8", "/incidents/x", "/incidents/-1", "/nothing", "/static/none.css", "/live?page=/nothing", "/live"} {
		if code, _ := get(t, server.URL+path); code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, code)
		}
	}
	res, err := http.Post(server.URL+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST answers %d: nothing can be done on the board", res.StatusCode)
	}
}

func TestAStoreThatCannotBeReadIsSaid(t *testing.T) {
	n := aNight()
	n.err = errors.New("the disk is gone")
	server := serve(t, Options{Conversation: n, Incidents: n})
	code, body := get(t, server.URL+"/")
	if code != http.StatusInternalServerError || !strings.Contains(body, "the disk is gone") || !strings.Contains(body, "irisops ctl status") {
		t.Errorf("%d %s", code, body)
	}
}

func TestTokenOpensTheBoard(t *testing.T) {
	n := aNight()
	server := serve(t, Options{Conversation: n, Incidents: n, Token: "s3cret"})
	for name, with := range map[string]func(*http.Request){
		"nothing":         func(*http.Request) {},
		"a wrong bearer":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cre") },
		"a wrong word":    func(r *http.Request) { r.SetBasicAuth("me", "") },
		"it as the name":  func(r *http.Request) { r.SetBasicAuth("s3cret", "") },
		"an empty bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
	} {
		for _, path := range []string{"/", "/live?page=/", "/static/board.css", "/incidents/7"} {
			if code, body := get(t, server.URL+path, with); code != http.StatusUnauthorized || strings.Contains(body, "INC-7") || strings.Contains(body, "s3cret") {
				t.Errorf("with %s, %s answers %d %s", name, path, code, body)
			}
		}
	}
	for name, with := range map[string]func(*http.Request){
		"basic":  func(r *http.Request) { r.SetBasicAuth("anybody", "s3cret") },
		"bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cret") },
	} {
		if code, _ := get(t, server.URL+"/", with); code != http.StatusOK {
			t.Errorf("%s answers %d", name, code)
		}
	}
}

// A page of somebody else's, whose name was made to lead to this machine, gets
// nothing out of a board that asks for no token.
func TestNamesOfOthers(t *testing.T) {
	n := aNight()
	server := serve(t, Options{Conversation: n, Incidents: n, Local: true})
	for host, want := range map[string]int{
		"": http.StatusOK, "localhost:8642": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:8642": http.StatusOK, "LocalHost.": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "evil.example:8642": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/live?page=/nothing", "/static/board.css"} {
			code, body := get(t, server.URL+path, func(r *http.Request) { r.Host = host })
			if path == "/live?page=/nothing" && want == http.StatusOK {
				continue // there is no such page
			}
			if code != want || want != http.StatusOK && strings.Contains(body, "INC-7") {
				t.Errorf("%s asked as %q answers %d", path, host, code)
			}
		}
	}
	if code, _ := get(t, serve(t, Options{Conversation: n, Incidents: n}).URL+"/", func(r *http.Request) { r.Host = "irisops.internal" }); code != http.StatusOK {
		t.Errorf("behind a proxy it answers %d", code)
	}
}

func TestAClusterThatHangsHoldsNothingUp(t *testing.T) {
	release := make(chan struct{})
	l := newLooks([]Cluster{
		{Name: "slow", Diagnose: func(context.Context) (message.Message, error) {
			<-release
			return message.Message{Title: "seen at last"}, nil
		}},
		{Name: "broken", Diagnose: func(context.Context) (message.Message, error) { panic("a fault") }},
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if seen := l.all[0].see(ctx, time.Now(), false); seen.Message.Level != message.Unknown || !seen.At.IsZero() {
		t.Errorf("what was not seen yet is %+v", seen)
	}
	close(release)
	if seen := l.all[0].see(t.Context(), time.Now(), true); seen.Message.Title != "seen at last" {
		t.Errorf("it is %+v", seen)
	}
	if seen := l.all[1].see(t.Context(), time.Now(), true); seen.Message.Level != message.Unknown || !strings.Contains(seen.Message.Title, "broke off") {
		t.Errorf("a look that panics is %+v", seen)
	}
}

func TestTrendTellsTheSameInWords(t *testing.T) {
	at := time.Date(2026, 1, 6, 10, 0, 0, 0, time.UTC)
	picture := string(plot([]drill.Point{
		{At: at, Node: "edge1", Recovery: 14 * time.Second, Passed: true},
		{At: at.AddDate(0, 1, 0), Node: "core <1>", Recovery: 7 * time.Minute},
		{At: at.AddDate(0, 2, 0), Node: "edge2"},
	}, time.UTC))
	for _, want := range []string{
		"1 of the last 3 drills passed: recovery within 5 min", "6 Jan 2026, edge1: passed, recovered after 14.0 s", "within 5 min (dashed line)",
		"core &lt;1&gt;: failed, recovered after 7 min 0 s", "edge2: failed, not recovered", "Jan 2026", "Mar 2026", `class="bound"`, `role="img"`,
		`aria-label="Recoveries: median 14.0 s, nine in ten within 7 min 0 s, from 14.0 s to 7 min 0 s"`, `<p class="note">Recoveries: median`,
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("it lacks %q:\n%s", want, picture)
		}
	}
	if got := strings.Count(picture, `<rect class="bar`); got != 3 {
		t.Errorf("%d bars", got)
	}
	if got := strings.Count(picture, `<circle class="dot"`); got != 2 { // one did not recover
		t.Errorf("%d dots", got)
	}
	// Seconds are told apart: the bound is far above them.
	picture = string(plot([]drill.Point{{At: at, Node: "edge1", Recovery: 2200 * time.Millisecond, Passed: true}, {At: at, Node: "edge2", Recovery: 1100 * time.Millisecond, Passed: true}}, time.UTC))
	for _, want := range []string{`height="140.0"`, `height="70.0"`, ">0.5 s<", ">2 s<", "within 5 min (far above the picture)"} {
		if !strings.Contains(picture, want) {
			t.Errorf("it lacks %q:\n%s", want, picture)
		}
	}
	if strings.Contains(picture, `class="bound"`) {
		t.Error("a line is drawn for a bound that is out of the picture")
	}
	if picture := string(plot([]drill.Point{{At: at, Node: "edge1"}}, time.UTC)); strings.Contains(picture, "Recoveries:") {
		t.Errorf("nothing recovered, and it says how long that took:\n%s", picture)
	}
}
