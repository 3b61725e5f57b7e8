package bot_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/store"
)

// planted is in a message of a user, and must be read by nobody else.
const planted = "meet me at the lake at nine"

// connection is a room of one caller, as a client of the socket is.
type connection struct {
	posts
	id string
}

func (c *connection) Of(delivery string) bool { return delivery == c.id }

func (c *connection) Publish(ctx context.Context, p bot.Post) error {
	if p.Answers != c.id {
		return nil
	}
	return c.posts.Publish(ctx, p)
}

// What only privileged people may read is shown to them alone, over their own
// connection, after it was recorded; and to nobody in any other way.
func TestForTheCallersEyesAlone(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	looked := 0
	show := actions.Action{Name: "messages show", Summary: "messages", Example: "messages show alice",
		Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "whose", Example: "alice"}, {Name: "contents", Kind: actions.Bool, Flag: true, Own: true, Doc: "what they say"}},
		Look: func(_ context.Context, req actions.Request) (actions.Result, error) {
			if req.Args["contents"] == "" {
				return actions.Result{Level: actions.OK, Headline: "alice: 1 message"}, nil
			}
			mu.Lock()
			defer mu.Unlock()
			looked++
			return actions.Result{Level: actions.OK, Headline: "alice: 1 message", Sections: []actions.Section{{Lines: []string{planted}}}, Data: planted}, nil
		}}
	chat := &posts{}
	b, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{chat}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Policies: map[incident.Priority]escalation.Policy{incident.P2: {}},
		Clusters: []bot.Cluster{{Name: "main", Actions: []actions.Action{show}, Summary: newFakeCluster().summary}},
		Ctl:      "bin/irisops ctl --socket /s",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := 0
	say := func(who, text string, over bool) (connection *connection, code int) {
		id++
		d := inbox.Delivery{ID: "own/" + string(rune('a'+id)), Caller: "demo:" + who, Text: text}
		connection = newConnection(d.ID)
		if over {
			b.Join(connection)
			defer b.Leave(connection)
		}
		return connection, b.Handle(t.Context(), d).Wait()
	}
	const words = "messages show alice --contents"
	refused := func(who, text string, over bool, says string) {
		t.Helper()
		own, code := say(who, text, over)
		if got := own.text(t) + chat.text(t); code != bot.ExitRefused || !strings.Contains(got, says) {
			t.Errorf("%s: %s: code %d, %s", who, text, code, got)
		}
	}
	refused("owner", words, true, "for open incidents only")
	refused("owner", words, false, "Declare one: declare P2")
	ctl := b.Ctl
	b.Ctl = ""
	refused("owner", words, false, "The demo's people have no account of their own")
	b.Ctl = ctl
	if _, code := say("operator", "declare P2 messages do not arrive", false); code != 0 {
		t.Fatal(code)
	}
	refused("guest", words, true, "needs")
	refused("owner", words, false, "never appears where others can read it")
	refused("owner", words, false, "from your own account there (unix: in the config): bin/irisops ctl --socket /s "+words)
	mu.Lock()
	if looked != 0 {
		t.Errorf("looked up %d times for people who were refused", looked)
	}
	mu.Unlock()

	own, code := say("owner", words, true)
	if got := own.text(t); code != 0 || !strings.Contains(got, planted) {
		t.Errorf("the owner: code %d, %s", code, got)
	}
	if _, code := say("owner", "messages show alice", false); code != 0 {
		t.Error("without the flag it is refused too")
	}
	timeline, err := db.Timeline(1)
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for _, e := range timeline {
		if e.By == "owner" && strings.Contains(e.Text, "looked at what nobody else sees: "+words) {
			recorded++
		}
	}
	if recorded != 1 {
		t.Errorf("recorded %d times: %v", recorded, timeline)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the chat": chat.text(t), "the database": contentOf(t, db.Path())} {
		if strings.Contains(text, planted) {
			t.Errorf("%s has the contents of a message", what)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func newConnection(id string) *connection { return &connection{id: id} }

func (p *posts) text(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := json.Marshal(p.all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
