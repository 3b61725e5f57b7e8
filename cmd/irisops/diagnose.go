package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/bot"
	"irisops/bot/console"
	"irisops/cmd/irisops/config"
)

type diagnoseCommand struct {
	Config  string `required:"" help:"The config file." type:"path"`
	Cluster string `help:"Which cluster, where there are several."`
	JSON    bool   `name:"json" help:"Print the findings as JSON."`
	All     bool   `help:"Show what is healthy too."`
}

// Run makes all checks once, without a running irisops and without its database.
func (c diagnoseCommand) Run(ctx context.Context, s streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	a := &app{}
	defer func() { a.Stop(context.WithoutCancel(ctx)) }()
	clusters, err := a.clusters(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	looked, err := pick(clusters, c.Cluster)
	if err != nil {
		return err
	}
	look, err := action(looked, "diagnose")
	if err != nil {
		return err
	}
	result, err := look.Look(ctx, actions.Request{Args: actions.Args{"mode": "full"}, Now: time.Now().UTC()})
	if err != nil {
		return err
	}
	found, ok := result.Data.(cluster.Diagnosis)
	if !ok {
		return fmt.Errorf("the diagnosis of %s came without its findings", looked.Name)
	}
	if c.JSON {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result.Data)
	} else {
		style := styleOf(s.out)
		style.All = c.All
		console.Render(s.out, bot.ResultMessage(result), style)
	}
	if err != nil {
		return err
	}
	if code := cluster.ExitCode(found); code != exitDone {
		return exit(code)
	}
	return nil
}

func action(c *cluster.Cluster, name string) (actions.Action, error) {
	for _, a := range c.Actions() {
		if a.Name == name {
			return a, nil
		}
	}
	return actions.Action{}, fmt.Errorf("cluster %s has no %s", c.Name, name)
}

func pick(clusters []*cluster.Cluster, name string) (*cluster.Cluster, error) {
	if name == "" && len(clusters) == 1 {
		return clusters[0], nil
	}
	names := ""
	for _, c := range clusters {
		if c.Name == name {
			return c, nil
		}
		names += " " + c.Name
	}
	return nil, &actions.Error{Code: "usage", Text: "Which cluster?", Hint: fmt.Sprintf("Give --cluster with one of:%s.", names)}
}
