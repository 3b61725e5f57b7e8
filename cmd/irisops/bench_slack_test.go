package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"irisops/bot/slack/slacktest"
	"irisops/cmd/irisops/config"
)

// Two variables that make the test binary irisops in a Slack of the test's: the
// real one knows no other Slack than Slack.
const (
	slackConfig = "IRISOPS_BENCH_SLACK_CONFIG"
	slackAPI    = "IRISOPS_BENCH_SLACK_API"
)

// playInSlack runs until stdin ends.
func playInSlack(path, api string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	a, err := newApp(cfg, overrides{slackAPI: api}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := a.Start(context.Background()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return a.Stop(context.Background())
}

// BenchmarkStartInSlack measures a whole process from its start until it is
// connected to Slack: it has said who it is, has its socket, and was greeted. The
// process is the test binary, which is larger than the real one.
func BenchmarkStartInSlack(b *testing.B) {
	path, _ := benchConfig(b, b.TempDir())
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	text = bytes.Replace(text, []byte("{id: operator, "), []byte("{id: operator, slack: U01, "), 1)
	text = append(text, "slack: {mode: socket, channel: C0OPS, oncall_channel: C0ONCALL}\n"...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	var starts []float64
	for b.Loop() {
		for range 9 {
			s := slacktest.New(b, "C0OPS", "C0ONCALL")
			s.Generous()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), slackConfig+"="+path, slackAPI+"="+s.API(),
				"SLACK_BOT_TOKEN="+slacktest.BotToken, "SLACK_APP_TOKEN="+slacktest.AppToken)
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			s.ExpectConnections(1)
			starts = append(starts, time.Since(began).Seconds()*1000)
			s.Settle()
			in.Close()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	}
	metric(b, "ms/start", starts[1:]) // the first one makes the database
}
