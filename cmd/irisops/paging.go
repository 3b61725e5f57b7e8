package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"

	"irisops/bot"
	"irisops/bot/intake"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/pager/link"
	"irisops/bot/pager/mail"
	"irisops/bot/pager/pagerduty"
	"irisops/bot/pager/post"
	"irisops/bot/pager/webhook"
	"irisops/cmd/irisops/config"
)

// linkKey is the file in the data folder that signs the links of pages.
const linkKey = "link.key"

// senders are the ways to page people beside the conversation, as the config has
// them. Their links lead to this irisops's listener, if it has one.
func (a *app) senders(cfg config.Config, options *bot.Options) error {
	before := len(options.Senders)
	address := func(p pager.Page) string {
		if a.web == nil || !bot.Linkable(p) {
			return ""
		}
		return a.web.URL() + link.Path + a.linkKey.Token(p)
	}
	if m := cfg.Mail; m != nil {
		mails := map[string]string{"": m.Team}
		for _, p := range cfg.People {
			mails[p.ID] = p.Mail
		}
		s, err := mail.New(mail.Options{Server: m.Server, Security: mail.Security(m.Security), User: m.User, Password: m.Password.Reveal(), From: m.From,
			Address: func(person string) string { return mails[person] }, Link: address, Roots: a.trust})
		if err != nil {
			return err
		}
		options.Senders = append(options.Senders, s)
	}
	if d := cfg.PagerDuty; d != nil {
		keys := map[string]string{}
		for _, p := range cfg.People {
			keys[p.ID] = p.PagerDutyKey.Reveal()
		}
		options.Senders = append(options.Senders, pagerduty.New(pagerduty.Options{URL: d.URL, Link: address, Source: "irisops",
			Key: func(person string) string {
				if k := keys[person]; k != "" {
					return k
				}
				return d.DefaultKey.Reveal()
			}}))
	}
	for name, w := range cfg.Webhooks {
		s, err := webhook.New(webhook.Options{Name: name, URL: w.Address.Reveal(), Secret: w.Signature.Reveal(), Authorization: w.Authorization.Reveal(),
			Body: w.Body, Updates: w.Updates, Link: address})
		if err != nil {
			return err
		}
		options.Senders = append(options.Senders, s)
	}
	if len(options.Senders) == before {
		return nil
	}
	var err error
	a.linkKey, err = link.Load(filepath.Join(cfg.Data, linkKey))
	return err
}

// notDirect leaves out direct messages, which only Slack has.
func notDirect(contacts map[string][]string) map[string][]string {
	left := map[string][]string{}
	for person, channels := range contacts {
		left[person] = slices.DeleteFunc(slices.Clone(channels), func(c string) bool { return c == pager.DirectMessage })
	}
	return left
}

// elsewhereFirst moves the conversation behind a person's other contacts: without
// Slack it is a terminal and the socket, where nobody's phone rings.
func elsewhereFirst(contacts map[string][]string) map[string][]string {
	moved := map[string][]string{}
	for person, channels := range contacts {
		others := slices.DeleteFunc(slices.Clone(channels), func(c string) bool { return c == oncall.Conversation })
		if len(others) < len(channels) {
			others = append(others, oncall.Conversation)
		}
		moved[person] = others
	}
	return moved
}

// heartbeat is who outside is told that irisops watches.
func heartbeat(cfg config.Config) bot.Heartbeat {
	h := cfg.Heartbeat
	if h == nil {
		return bot.Heartbeat{}
	}
	client := post.Client()
	return bot.Heartbeat{Every: h.Every, Beat: func(ctx context.Context) error {
		r, err := http.NewRequest(http.MethodPost, h.Address.Reveal(), nil)
		if err != nil {
			return errors.New("the address of the heartbeat cannot be used")
		}
		answer, err := post.Do(ctx, client, r)
		if err != nil {
			return err
		}
		return answer.Verdict(h.Address.Reveal())
	}}
}

// answerPages joins what pages lead back by, links and PagerDuty's webhooks, and
// where alerts come in.
func (a *app) answerPages(cfg config.Config, log *slog.Logger) {
	if a.web == nil {
		return
	}
	if a.linkKey != nil {
		h := &link.Handler{Key: a.linkKey, Desk: a.bot, Log: log}
		for pattern, route := range h.Routes() {
			a.web.Handle(pattern, route)
		}
	}
	if al := cfg.Alerts; al != nil {
		a.web.Handle("POST "+intake.Path, &intake.Handler{Bearer: al.Bearer.Reveal(), Signature: al.Signature.Reveal(), Log: log,
			Rules: intake.Rules{Label: al.Label, Priorities: al.Priorities, Otherwise: al.Otherwise}, Take: a.bot.TakeAlerts})
	}
	if d := cfg.PagerDuty; d != nil && d.WebhookSecret.Reveal() != "" {
		users := map[string]string{}
		for _, p := range cfg.People {
			if p.PagerDutyUser != "" {
				users[p.PagerDutyUser] = p.ID
			}
		}
		a.web.Handle("POST /pagerduty", &pagerduty.Hook{Secret: d.WebhookSecret.Reveal(), Log: log, Take: func(ctx context.Context, ack pagerduty.Acknowledgement) error {
			if ack.User == "" { // an integration: our own word for it, which comes back
				return nil
			}
			return a.bot.AcknowledgedThere(ctx, "pagerduty", ack.Event, ack.DedupKey, users[ack.User])
		}})
	}
}
