package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListenOn(t *testing.T) {
	const closed = " is reached from other machines, so the board is not shown there: it would be open to all. Set board: {token_file: PATH}, or board: {proxy: true} if a proxy in front asks who looks."
	for name, c := range map[string]struct {
		text, address string
		fault         string
		want          []string // warnings
	}{
		"this machine":              {"listen: 0.0.0.0:1", "127.0.0.1:2", "", nil},
		"every machine":             {"", "0.0.0.0:2", "", []string{"--listen 0.0.0.0:2: listen: 0.0.0.0:2" + closed}},
		"another of every machine":  {"listen: 0.0.0.0:1", ":2", "", []string{"--listen :2: listen: :2" + closed}},
		"every machine with a door": {"board: {proxy: true}", "0.0.0.0:2", "", nil},
		"handed on":                 {"external_url: https://irisops.example.org", "127.0.0.1:2", "", []string{"--listen 127.0.0.1:2: external_url: https://irisops.example.org" + closed}},
		"none":                      {"external_url: https://irisops.example.org", "none", "", nil},
		"none with alerts":          {"alerts: {bearer_from: env:ALERTS}", "none", "--listen none: The config has alerts", nil},
		"no port":                   {"", "8642", "--listen 8642: That is not host:port. For example 127.0.0.1:8642, or none.", nil},
		"no number":                 {"", "localhost:http", "That is not host:port.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ALERTS", "a token for alerts")
			before, err := newFiles(t).load(t, Shortest+c.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			kept := len(before.Warnings())
			cfg, err := before.ListenOn(c.address)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("it says %v", err)
				}
				return
			}
			if err != nil || cfg.Listen != c.address || len(before.Warnings()) != kept {
				t.Errorf("it listens on %s, %v", cfg.Listen, err)
			}
			var got []string
			for _, w := range cfg.Warnings() {
				got = append(got, w.Error())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, needed := cfg.Listens(); needed != (c.address != "none") {
				t.Errorf("that address is needed: %v", needed)
			}
		})
	}
}
