package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/host"
	"irisops/actions/keep"
	"irisops/bot"
	"irisops/bot/console"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/pager/link"
	"irisops/bot/slack"
	"irisops/bot/watch"
	"irisops/bot/web"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// app is irisops put together: made by newApp, then Start, then Stop. What was
// opened is closed in the opposite order, each by its name.
type app struct {
	db      *store.DB
	bot     *bot.Bot
	slack   *slack.Room     // nil: not in Slack
	ears    *slack.Listener // the same
	hear    func() error    // starts them
	server  *console.Server
	web     *web.Server // nil: no web requests are answered
	linkKey link.Key
	trust   *x509.CertPool // whose certificates are good; nil: whose the machine trusts
	stops   []closing
}

type closing struct {
	name string
	stop func(ctx context.Context) error
}

// overrides are what the demo and the tests set beside the config.
type overrides struct {
	demo     bool // `as NAME` is believed
	rooms    []bot.Room
	policies map[incident.Priority]escalation.Policy
	slackAPI string // tests have their own Slack

	failpoint func(db *store.DB, name string) // tests kill the program there: store.Options.Failpoint
	trust     *x509.CertPool                  // and their own certificates
}

// newApp opens and joins everything. On an error nothing stays open.
func newApp(cfg config.Config, o overrides, log *slog.Logger) (a *app, err error) {
	a = &app{trust: o.trust}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop(context.Background()))
			a = nil
		}
	}()
	db, err := openStore(cfg, log, o.failpoint)
	if err != nil {
		return a, err
	}
	a.db = db
	a.onStop("the database", func(context.Context) error { return db.Close() })
	clusters, err := a.clusters(cfg, db, log)
	if err != nil {
		return a, err
	}
	policies := o.policies
	if policies == nil {
		policies = cfg.Escalation()
	}
	people := cfg.Access()
	people.Demo = o.demo
	var served []bot.Cluster
	for _, c := range clusters {
		served = append(served, bot.Cluster{Name: c.Name, Targets: targets(cfg, c.Name), Actions: c.Actions(), Summary: c.Summary, Observe: c.Observe, Drill: drillOf(cfg, c)})
	}
	options := bot.Options{
		Store: db, Access: people, OnCall: cfg.OnCall(), Policies: policies, Clusters: served,
		Rooms: o.rooms, Zone: cfg.Zone(), Log: log,
		Mask: masked(secretsOf(cfg)), Files: keep.In(filepath.Join(cfg.Data, "audit")),
		Watch: bot.Watch{Mode: watch.Mode(cfg.Watch.Mode), Every: cfg.Watch.Every, Rules: cfg.Watch.Rules()},
	}
	if !o.demo { // whose people have no account to speak from
		options.Ctl = ctlOf(cfg.Socket.Path)
	}
	if err := a.listen(cfg, db, log); err != nil {
		return a, err
	}
	options.Board = a.boardLink(cfg)
	if options.Schedules, err = a.schedules(cfg, served, db, log); err != nil {
		return a, err
	}
	options.Calendar = bot.Calendar{Blackout: cfg.Schedules.Blackout, DeployLock: cfg.Schedules.DeployLock}
	options.Heartbeat = heartbeat(cfg)
	if err := a.senders(cfg, &options); err != nil {
		return a, err
	}
	if err := a.slackRoom(cfg, o, people, db, &options); err != nil {
		return a, err
	}
	if a.slack == nil {
		options.OnCall.Contacts = notDirect(options.OnCall.Contacts)
	}
	if a.slack == nil && !o.demo {
		options.OnCall.Contacts = elsewhereFirst(options.OnCall.Contacts)
	}
	if a.bot, err = bot.New(options); err != nil {
		return a, err
	}
	a.answerPages(cfg, log)
	a.showMetrics(db, log)
	if err := a.showBoard(cfg, clusters, db, log); err != nil {
		return a, err
	}
	if a.slack != nil {
		a.listenToSlack(cfg)
	}
	a.server = &console.Server{Path: cfg.Socket.Path, Group: cfg.Socket.Group, Bot: a.bot, Copy: db.Copy, Log: log}
	return a, nil
}

// targets are what people can say start, stop and restart of.
func targets(cfg config.Config, cluster string) []string {
	var nodes, roles []string
	for _, c := range cfg.Clusters {
		if c.Name != cluster {
			continue
		}
		for _, n := range c.Nodes {
			nodes = append(nodes, n.Short)
			if n.Role != n.Short && !slices.Contains(roles, n.Role) {
				roles = append(roles, n.Role)
			}
		}
	}
	return append(append(nodes, roles...), "all")
}

func openStore(cfg config.Config, log *slog.Logger, failpoint func(*store.DB, string)) (*store.DB, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, &actions.Error{Code: "no-data-folder", Text: fmt.Sprintf("The data folder %s cannot be made: %v.", cfg.Data, err), Hint: "Make it, owned by the user that irisops runs as, or set data: to another place.", Err: err}
	}
	var db *store.DB
	var options store.Options
	if failpoint != nil {
		options.Failpoint = func(name string) {
			if db != nil { // it is open
				failpoint(db, name)
			}
		}
	}
	db, err := store.Open(databaseOf(cfg), options)
	if err != nil {
		return nil, err
	}
	for _, notice := range db.Notices() {
		log.Warn(notice)
	}
	return db, nil
}

// recollection is what is remembered of clusters.
type recollection interface {
	cluster.Keeper
	cluster.Backups
}

// clusters are the config's clusters, each behind its own hidden link. mind may
// be nil: then nothing is kept of them.
func (a *app) clusters(cfg config.Config, mind recollection, log *slog.Logger) ([]*cluster.Cluster, error) {
	var all []*cluster.Cluster
	var secrets []string
	for _, c := range cfg.Clusters {
		secrets = append(secrets, c.Cookie.Reveal())
	}
	remotes := map[string]host.RemoteConfig{}
	for name, h := range cfg.Hosts {
		remotes[name] = host.RemoteConfig{SSH: h.SSH, KnownHosts: h.KnownHosts, Identity: h.Identity}
	}
	hosts, err := host.NewHosts(host.NewLocal(epmd.Names, secrets...), remotes)
	if err != nil {
		return nil, err
	}
	a.onStop("the connections to other hosts", func(context.Context) error { return hosts.Close() })
	for _, c := range cfg.Clusters {
		var secure *tls.Config
		if t := c.TLS; t != nil {
			if secure, err = erlang.LoadTLS(t.CAFile, t.CertFile, t.KeyFile); err != nil {
				return nil, fmt.Errorf("tls of cluster %s: %w", c.Name, err)
			}
		}
		link, err := erlang.New(erlang.Options{Cookie: erlang.Cookie(c.Cookie.Reveal()), TLS: secure, EPMDPort: c.EPMDPort, Log: log})
		if err != nil {
			return nil, fmt.Errorf("the link to cluster %s: %w", c.Name, err)
		}
		a.onStop("the link to "+c.Name, func(context.Context) error { return link.Close() })
		all = append(all, cluster.New(c.Spec(), link, hosts, edge.NewProber(nil), cluster.Options{
			Keeper: mind, Backups: mind, Secrets: secrets, Zone: time.Local, People: cfg.Zone(), // the nodes' logs are in this machine's time
			Exports:  keep.In(filepath.Join(cfg.Data, "exports")),
			Backup:   cfg.Backup.Options(),
			SlowPing: cfg.Checks.PingWarn, SlowLogin: cfg.Checks.Login.Warn, BadLogin: cfg.Checks.Login.Critical,
			Bounds: cfg.Checks.Bounds(),
		}))
	}
	return all, nil
}

func (a *app) onStop(name string, stop func(ctx context.Context) error) {
	a.stops = append(a.stops, closing{name, stop})
}

// Start takes up what was open, starts the clocks, and opens the socket.
func (a *app) Start(ctx context.Context) error {
	// Closed in the opposite order: nobody new is let in, work is told to end,
	// and then those who wait for its end are answered.
	a.onStop("the clients of the socket", a.server.Wait)
	if a.slack != nil {
		a.onStop("Slack", a.slack.Stop) // after the conversation, whose last words it sends
		if err := a.slack.Start(); err != nil {
			return err
		}
	}
	a.onStop("the conversation", a.bot.Stop)
	if err := a.bot.Start(ctx); err != nil {
		return err
	}
	if a.ears != nil {
		a.onStop("listening to Slack", a.ears.Stop)
		if err := a.hear(); err != nil {
			return err
		}
	}
	if a.web != nil {
		if err := a.web.Start(); err != nil {
			return err
		}
		a.onStop("the web requests", a.web.Stop)
	}
	a.onStop("the socket", a.server.Close)
	return a.server.Start()
}

// Stop closes what was opened, the last first.
func (a *app) Stop(ctx context.Context) error {
	var failed []error
	for _, c := range slices.Backward(a.stops) {
		if err := c.stop(ctx); err != nil {
			failed = append(failed, fmt.Errorf("stopping %s: %w", c.name, err))
		}
	}
	a.stops = nil
	return errors.Join(failed...)
}
