package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/slack"
	"irisops/cmd/irisops/config"
)

type doctorCommand struct {
	Config string `required:"" help:"The config file." type:"path"`

	slackAPI string // tests have their own Slack
}

// doctorPatience bounds one look at a cluster.
const doctorPatience = 10 * time.Second

// Run looks whether everything that irisops needs outside itself is there, and
// says what to do where it is not. It changes nothing and posts nothing.
func (c doctorCommand) Run(ctx context.Context, s streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	d := doctor{out: s.out}
	d.say(true, "config", fmt.Sprintf("%s is good.", c.Config), "")
	for _, w := range cfg.Warnings() {
		d.say(false, "config", w.Error(), "")
	}
	d.slack(ctx, cfg, c.slackAPI)
	if err := d.clusters(ctx, cfg, c.Config); err != nil {
		return err
	}
	d.pagers(ctx, cfg)
	if d.ill > 0 {
		fmt.Fprintf(s.out, "\n%d to mend.\n", d.ill)
		return exit(exitRefused)
	}
	fmt.Fprintln(s.out, "\nAll is well.")
	return nil
}

type doctor struct {
	out       io.Writer
	ill       int
	slackWell bool
}

func (d *doctor) say(good bool, what, seen, way string) {
	mark := "✓"
	if !good {
		mark = "✗"
		d.ill++
	}
	fmt.Fprintf(d.out, "%s %-20s %s\n", mark, what, seen)
	if way != "" {
		say(d.out, "  %-20s → %s\n", "", way)
	}
}

func (d *doctor) slack(ctx context.Context, cfg config.Config, api string) {
	switch {
	case cfg.Slack == nil:
		d.say(true, "Slack", "slack: is not configured. irisops runs without it.", "")
		return
	case !inSlack(cfg):
		d.say(false, "Slack", "slack: is configured, and no token is in the environment of this command: irisops started like this runs without it.",
			"docs/slack.md says where the tokens come from, and how to try those of a service.")
		return
	}
	before := d.ill
	defer func() { d.slackWell = d.ill == before }()
	if err := slackSecrets(cfg); err != nil {
		d.say(false, "Slack", err.Error(), "")
		return
	}
	o := slackOptions(cfg)
	o.API, o.People = api, cfg.Access()
	found, err := slack.Examine(ctx, o)
	if err != nil {
		d.say(false, "Slack", err.Error(), "docs/slack.md says where the tokens come from.")
	}
	for _, f := range found {
		d.say(f.Good, "Slack: "+f.What, f.Seen, f.Way)
	}
	if cfg.Slack.Mode == httpMode {
		d.requests(ctx, cfg)
	}
}

// requests asks irisops the way that Slack does, from the outside.
func (d *doctor) requests(ctx context.Context, cfg config.Config) {
	what := "Slack: requests"
	if cfg.ExternalURL == "" {
		d.say(false, what, "external_url is not set, so it is not known where Slack sends its requests.", "Set it to the address by which Slack reaches irisops.")
		return
	}
	address := cfg.ExternalURL + "/slack/events"
	body := `{"type":"url_verification","challenge":"irisops-doctor"}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		d.say(false, what, err.Error(), "")
		return
	}
	r.Header = slack.Sign([]byte(body), time.Now(), os.Getenv(signingSecret))
	resp, err := (&http.Client{Timeout: doctorPatience}).Do(r)
	if err != nil {
		d.say(false, what, fmt.Sprintf("%s does not answer: %v.", address, err), "Start irisops, and see that the address leads to its listen: address.")
		return
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK || string(answer) != "irisops-doctor" {
		d.say(false, what, fmt.Sprintf("%s answers %s.", address, resp.Status), "It has to lead to irisops, which has to run with the same SLACK_SIGNING_SECRET.")
		return
	}
	d.say(true, what, address+" answers as Slack wants it.", "")
}

func (d *doctor) clusters(ctx context.Context, cfg config.Config, file string) error {
	a := &app{}
	defer func() { a.Stop(context.WithoutCancel(ctx)) }()
	clusters, err := a.clusters(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, c := range clusters {
		look, cancel := context.WithTimeout(ctx, doctorPatience)
		level, line := c.Summary(look)
		cancel()
		way := ""
		if level != actions.OK {
			way = fmt.Sprintf("irisops diagnose --config %s --cluster %s says more.", shellWord(file), c.Name)
		}
		d.say(level == actions.OK, "cluster "+c.Name, line+".", way)
	}
	return nil
}

// pagers are the ways to a person's pocket. Nobody is paged: it is seen whether
// the far end accepts a connection. `page test @WHO` sends one.
func (d *doctor) pagers(ctx context.Context, cfg config.Config) {
	switch {
	case inSlack(cfg) && d.slackWell:
		d.say(true, "pages: Slack", "Go to the channel "+cfg.Slack.OnCallChannel+", and by direct message to whom they call.", "")
	case inSlack(cfg):
		d.say(false, "pages: Slack", "May not arrive there.", "Mend first what is said of Slack above.")
	}
	ways := map[string]string{}
	if cfg.Mail != nil {
		ways["mail"] = cfg.Mail.Server
	}
	if cfg.PagerDuty != nil {
		ways["PagerDuty"] = hostPort(cmp.Or(cfg.PagerDuty.URL, pagerDutyURL))
	}
	for name, w := range cfg.Webhooks {
		ways["webhook "+name] = hostPort(w.Address.Reveal())
	}
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		reach, cancel := context.WithTimeout(ctx, doctorPatience)
		conn, err := new(net.Dialer).DialContext(reach, "tcp", ways[name])
		cancel()
		if err != nil {
			d.say(false, "pages: "+name, fmt.Sprintf("%s does not accept connections: %v.", ways[name], err), "Look at the address in the config, and whether this machine may reach it.")
			continue
		}
		conn.Close()
		d.say(true, "pages: "+name, ways[name]+" accepts connections. `page test @WHO` sends a page.", "")
	}
	if !inSlack(cfg) && len(ways) == 0 {
		way := "Configure slack:, mail:, pagerduty: or webhooks:."
		if cfg.Slack != nil {
			way = "Give irisops its Slack tokens, or configure mail:, pagerduty: or webhooks:."
		}
		d.say(false, "pages", "Are shown to irisops ctl only: nobody's phone rings.", way)
	}
}

// pagerDutyURL is where events go if the config has no other address.
const pagerDutyURL = "https://events.pagerduty.com"

// hostPort is where a web address leads.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
