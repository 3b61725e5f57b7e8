package main

import (
	"os"
	"strings"

	"irisops/cmd/irisops/config"
)

// secretsOf are the values that stand nowhere but where they belong: cookies,
// tokens, keys, passwords, and addresses that are as good as one.
func secretsOf(cfg config.Config) []string {
	secrets := []string{cfg.Board.Token.Reveal()}
	for _, c := range cfg.Clusters {
		secrets = append(secrets, c.Cookie.Reveal())
	}
	for _, p := range cfg.People {
		secrets = append(secrets, p.PagerDutyKey.Reveal())
	}
	for _, w := range cfg.Webhooks {
		secrets = append(secrets, w.Signature.Reveal(), w.Authorization.Reveal())
		if w.URLFrom != "" { // else it stands in the config for all to read
			secrets = append(secrets, w.Address.Reveal())
		}
	}
	if m := cfg.Mail; m != nil {
		secrets = append(secrets, m.Password.Reveal())
	}
	if d := cfg.PagerDuty; d != nil {
		secrets = append(secrets, d.WebhookSecret.Reveal(), d.DefaultKey.Reveal())
	}
	if h := cfg.Heartbeat; h != nil && h.URLFrom != "" {
		secrets = append(secrets, h.Address.Reveal())
	}
	if a := cfg.Alerts; a != nil {
		secrets = append(secrets, a.Bearer.Reveal(), a.Signature.Reveal())
	}
	for _, name := range []string{"SLACK_APP_TOKEN", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"} {
		secrets = append(secrets, os.Getenv(name))
	}
	return secrets
}

// masked hides the secrets in what people typed, before it is kept. Very short
// ones are left: they would hide half of every sentence.
func masked(secrets []string) func(string) string {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 4 {
			pairs = append(pairs, s, "[secret]")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}
