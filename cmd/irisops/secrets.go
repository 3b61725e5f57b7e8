package main

import (
	"os"
	"strings"

	"irisops/cmd/irisops/config"
)

// secretsOf are the values that stand nowhere but where they belong: cookies and
// tokens.
func secretsOf(cfg config.Config) []string {
	secrets := []string{cfg.Board.Token.Reveal()}
	for _, c := range cfg.Clusters {
		secrets = append(secrets, c.Cookie.Reveal())
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
