package slack

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"irisops/bot/slack/outbox"
)

// Finding is one thing that was looked at in Slack: what was seen, and what a
// person has to do where it is not well.
type Finding struct {
	What string // "bot token"
	Good bool
	Seen string // a sentence
	Way  string // out of it; "" where all is well
}

const (
	mostSkew    = time.Minute // Slack's own bound on signatures is five
	helloWithin = 10 * time.Second
)

// Examine looks whether Slack would have the bot: token, scopes, channels, clocks
// and, with an app token, a connection. It posts nothing.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	o.Outbox = noOutbox{}
	r, err := NewRoom(o)
	if err != nil {
		return nil, err
	}
	e := examination{Room: r}
	r.api = slack.New(o.BotToken, slack.OptionAppLevelToken(o.AppToken), slack.OptionHTTPClient(&http.Client{Timeout: callTimeout}),
		slack.OptionLog(silent), slack.OptionAPIURL(apiOf(o)), slack.OptionOnResponseHeaders(e.headers))
	if !e.token(ctx) {
		return e.found, nil
	}
	e.scopes()
	e.channels(ctx)
	e.directs(ctx)
	e.clock()
	if o.AppToken != "" {
		e.connection(ctx)
	}
	return e.found, nil
}

func apiOf(o Options) string {
	if o.API != "" {
		return o.API
	}
	return slack.APIURL
}

// noOutbox is for a room that says nothing.
type noOutbox struct{ Outbox }

type examination struct {
	*Room
	found []Finding

	mu      sync.Mutex
	granted []string
	told    bool // Slack says which scopes there are
}

func (e *examination) headers(path string, h http.Header) {
	e.setClock(path, h)
	if _, ok := h["X-Oauth-Scopes"]; ok {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.told = true
		e.granted = strings.FieldsFunc(h.Get("X-Oauth-Scopes"), func(r rune) bool { return r == ',' || r == ' ' })
	}
}

func (e *examination) good(what, format string, args ...any) {
	e.found = append(e.found, Finding{What: what, Good: true, Seen: fmt.Sprintf(format, args...)})
}

func (e *examination) bad(what, seen, way string) {
	e.found = append(e.found, Finding{What: what, Seen: seen, Way: way})
}

func (e *examination) token(ctx context.Context) bool {
	who, err := e.api.AuthTestContext(ctx)
	if err != nil {
		way := "Take the present Bot User OAuth Token from the app's page (OAuth & Permissions) and put it into SLACK_BOT_TOKEN."
		if codeOf(err) == "" {
			way = "Look whether this machine reaches https://slack.com, directly or by HTTPS_PROXY."
		}
		e.bad("bot token", fmt.Sprintf("Slack does not take it: %v.", err), way)
		return false
	}
	if e.Team != "" && who.TeamID != e.Team {
		e.bad("bot token", fmt.Sprintf("It is for the workspace %s (%s), and team: says %s.", who.Team, who.TeamID, e.Team), "Install the app in that workspace, or correct team:.")
		return true
	}
	e.good("bot token", "Works: @%s in the workspace %s (%s).", who.User, who.Team, who.TeamID)
	return true
}

func (e *examination) scopes() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.told {
		e.bad("scopes", "Slack did not say which the app has.", "Compare the app with `irisops manifest`.")
		return
	}
	var missing []string
	for _, s := range Scopes {
		if !slices.Contains(e.granted, s.Name) {
			missing = append(missing, fmt.Sprintf("%s (%s)", s.Name, s.For))
		}
	}
	if len(missing) > 0 {
		e.bad("scopes", "Missing: "+strings.Join(missing, ", ")+".", "Add them on the app's page under OAuth & Permissions, Bot Token Scopes, or paste `irisops manifest` under App Manifest; then Reinstall to Workspace.")
		return
	}
	e.good("scopes", "All %d are there.", len(Scopes))
}

func (e *examination) channels(ctx context.Context) {
	for _, id := range e.conversations() {
		what := "channel " + id
		c, err := e.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
		switch {
		case codeOf(err) == "channel_not_found":
			e.bad(what, "Slack knows no such channel, or it is private and the app was not invited.", "Compare the id with the end of the channel's link, and say /invite @iris there.")
		case err != nil:
			e.bad(what, fmt.Sprintf("It cannot be read: %v.", err), "Say /invite @iris in it, and see that the app has the scopes.")
		case c.IsArchived:
			e.bad(what, "#"+c.Name+" is archived.", "Unarchive it, or put another one into the config.")
		case !c.IsMember:
			e.bad(what, "The app is no member of #"+c.Name+".", "Say /invite @iris there.")
		default:
			e.good(what, "Member of #%s.", c.Name)
		}
	}
}

// directs opens the direct message with everyone who may be called by one. They
// see nothing of it.
func (e *examination) directs(ctx context.Context) {
	e.mu.Lock()
	allowed := !e.told || slices.Contains(e.granted, "im:write")
	e.mu.Unlock()
	if !allowed {
		return // that is said of the scopes
	}
	open := 0
	for _, p := range e.People.People {
		if p.Slack == "" {
			continue
		}
		_, err := e.directWith(ctx, p.Slack)
		switch v := judgeOf(outbox.Post{To: p.Slack}, err); {
		case err == nil:
			open++
		case v == unwelcome:
			why, way := e.whyNotDirect(p.Slack, err)
			e.bad("direct messages to "+p.ID, strings.ToUpper(why[:1])+why[1:]+".", way+".")
		case v == limited:
			e.bad("direct messages", fmt.Sprintf("Slack asked to wait after %d people.", open), "Run it again in a minute.")
			return
		default:
			e.bad("direct messages to "+p.ID, fmt.Sprintf("It could not be seen: %v.", err), "Run it again.")
		}
	}
	if open > 0 {
		e.good("direct messages", "Can be sent to %s.", people(open))
	}
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

func (e *examination) clock() {
	skew := e.ahead()
	if skew.Abs() > mostSkew {
		e.bad("clock", fmt.Sprintf("This machine and Slack differ by %s. Past 5 minutes, what people say counts as late, and signed requests are refused.", skew.Abs().Round(time.Second)),
			"Set this machine's clock: timedatectl set-ntp true.")
		return
	}
	e.good("clock", "Within %s of Slack's.", max(skew.Abs().Round(time.Second), time.Second))
}

// connection opens a connection of its own, beside that of an irisops that runs.
func (e *examination) connection(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, helloWithin)
	defer cancel()
	began := time.Now()
	client := socketmode.New(e.api, socketmode.OptionLog(silent))
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	why := fmt.Errorf("nothing came within %s", helloWithin)
	for {
		select {
		case ev := <-client.Events:
			switch data := ev.Data.(type) {
			case *slack.ConnectionErrorEvent:
				why = data.ErrorObj
				if v, _ := judge(why); v == refused {
					cancel()
				}
			}
			if ev.Type == socketmode.EventTypeHello {
				e.good("Socket Mode", "Connected and greeted after %s.", time.Since(began).Round(time.Millisecond))
				cancel()
				<-ended
				return
			}
		case err := <-ended:
			if ctx.Err() == nil {
				why = err
			}
			e.bad("Socket Mode", fmt.Sprintf("No connection: %v.", why), "SLACK_APP_TOKEN has to be an app-level token (xapp-...) with the scope connections:write, and Socket Mode has to be on, on the app's page.")
			return
		}
	}
}
