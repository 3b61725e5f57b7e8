package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"irisops/bot"
	"irisops/bot/console"
	"irisops/cmd/irisops/config"
)

type runCommand struct {
	Config string `required:"" help:"The config file." type:"path"`
	Listen string `placeholder:"HOST:PORT" help:"Answer web requests there instead of where the config says. Elsewhere than on this machine the board needs board: in the config."`

	slackAPI string // tests have their own Slack
}

// load reads the config, and what the command line says of it.
func (c runCommand) load() (config.Config, error) {
	cfg, err := config.Load(c.Config)
	if err != nil || c.Listen == "" {
		return cfg, err
	}
	return cfg.ListenOn(c.Listen)
}

// Run stands beside the clusters until it is told to stop. The conversation is
// printed as it goes, for the journal; people speak through irisops ctl. SIGHUP
// reloads the config.
func (c runCommand) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(s.err, "irisops:", w)
	}
	log := slog.New(slog.NewTextHandler(s.err, nil))
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	a, err := c.startApp(ctx, s, log, cfg)
	if err != nil {
		return err
	}
	say(s.out, "irisops %s stands beside %s. Speak to it: irisops ctl --config %s status\n", version, clusterNames(cfg), shellWord(c.Config))
	switch {
	case a.web != nil && cfg.Served():
		fmt.Fprintf(s.out, "The board: %s\n", a.web.URL())
	case a.web != nil:
		fmt.Fprintf(s.out, "Web requests are answered at %s, without the board.\n", a.web.URL())
	}
	switch {
	case inSlack(cfg):
		fmt.Fprintf(s.out, "In Slack, in channel %s: /iris help\n", cfg.Slack.Channel)
	case cfg.Slack != nil:
		fmt.Fprintln(s.err, "irisops: slack: is configured and SLACK_BOT_TOKEN and SLACK_APP_TOKEN are not set: "+whoIsCalled(cfg))
	default:
		fmt.Fprintln(s.err, "irisops: slack: is not configured: "+whoIsCalled(cfg))
	}
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(s.out, "irisops is stopping; the cluster's nodes are left as they are.")
			return stopApp(ctx, a)
		case <-reload:
			if a, cfg, err = c.reload(ctx, s, log, a, cfg); err != nil {
				return err
			}
		}
	}
}

// startApp starts irisops with that config; on an error nothing of it is left.
func (c runCommand) startApp(ctx context.Context, s streams, log *slog.Logger, cfg config.Config) (*app, error) {
	style := styleOf(s.out)
	style.Keep = ctlOf(cfg.Socket.Path) + " --save FOLDER"
	feed := console.NewTerminal(s.out, false, style, cfg.Zone(), []string{"irisops"})
	a, err := newApp(cfg, overrides{rooms: []bot.Room{feed}, slackAPI: c.slackAPI}, log)
	if err != nil {
		return nil, err
	}
	if err := a.Start(ctx); err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// whoIsCalled says where pages go while irisops is not in Slack.
func whoIsCalled(cfg config.Config) string {
	if cfg.Mail == nil && cfg.PagerDuty == nil && len(cfg.Webhooks) == 0 {
		return "pages are shown here and to irisops ctl only, nobody's phone rings."
	}
	return "what is paged in the conversation is shown here and to irisops ctl only; other contacts are paged as the config says."
}

func clusterNames(cfg config.Config) string {
	names := ""
	for i, c := range cfg.Clusters {
		if i > 0 {
			names += ", "
		}
		names += c.Name
	}
	return names
}

type checkCommand struct {
	File string `arg:"" help:"The config file." type:"path"`
}

// Run names every fault, a line each, and fails if there is one.
func (c checkCommand) Run(s streams) error {
	cfg, err := config.Load(c.File)
	if err != nil {
		sayFaults(s.err, err)
		return exit(exitRefused)
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(s.out, w)
	}
	nodes := 0
	for _, cl := range cfg.Clusters {
		nodes += len(cl.Nodes)
	}
	_, err = fmt.Fprintf(s.out, "%s is good: people %d, clusters %d, nodes %d.\n", c.File, len(cfg.People), len(cfg.Clusters), nodes)
	return err
}

// sayFaults prints what is wrong with a config: first what has to be corrected in
// it, then which files it names have yet to be made, and how.
func sayFaults(w io.Writer, err error) {
	var faults config.Faults
	if !errors.As(err, &faults) {
		fmt.Fprintln(w, err)
		return
	}
	absent, rest, files := faults.Absent()
	for _, f := range rest {
		fmt.Fprintln(w, f)
	}
	if len(absent) == 0 {
		return
	}
	if len(rest) > 0 {
		fmt.Fprintln(w)
	}
	for _, f := range absent {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, `
Files that are not there: %d. A config holds no secret: each stands in a file of
its own, in one line, which you make first. What you do not use (mail, PagerDuty,
a webhook ...), take out of the config instead, the whole section.
A secret, readable for irisops's group alone; paste it, then Enter and Ctrl-D:
  sudo install -m 0640 -g irisops /dev/stdin %s
The cookie is the one that IRIS's nodes have. An SSH key and the key of a host,
whose fingerprint you compare:
  sudo ssh-keygen -t ed25519 -N '' -f FILE && sudo chown irisops FILE
  ssh-keyscan HOST | sudo tee FILE
`, len(absent), shellWord(files[0]))
}
