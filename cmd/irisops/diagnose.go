package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
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

	Words []string `arg:"" optional:"" help:"What is looked at, as in the conversation: full (the default), quick, node edge1, mnesia, messages, host, network."`
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
	args, err := c.args()
	if err != nil {
		return err
	}
	result, err := look.Look(ctx, actions.Request{Args: args, Now: time.Now().UTC()})
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
		m := bot.ResultMessage(result)
		m.Buttons = nil // nobody is there who could be told these words
		console.Render(s.out, m, style)
		c.sayNext(s.out, result.Next, len(clusters) > 1)
	}
	if err != nil {
		return err
	}
	if code := cluster.ExitCode(found); code != exitDone {
		return exit(code)
	}
	return nil
}

// args are the words, which are read as the conversation does.
func (c diagnoseCommand) args() (actions.Args, error) {
	switch n := len(c.Words); {
	case n == 0:
		return actions.Args{"mode": "full"}, nil
	case n == 1:
		return actions.Args{"mode": c.Words[0]}, nil
	case n == 2 && c.Words[0] == "node":
		return actions.Args{"mode": "node", "node": c.Words[1]}, nil
	}
	return nil, &actions.Error{Code: "usage", Text: fmt.Sprintf("%q is too much: one word, or node and which.", strings.Join(c.Words, " ")),
		Hint: "See: irisops diagnose --help"}
}

// sayNext prints what can be done now so that a shell takes it: what looks closer
// needs no running irisops, everything else does.
func (c diagnoseCommand) sayNext(w io.Writer, next []actions.Next, several bool) {
	if len(next) == 0 {
		return
	}
	config := " --config " + shellWord(c.Config)
	which := ""
	if several {
		which = " --cluster " + c.Cluster
	}
	asks := false
	fmt.Fprintln(w)
	for _, n := range next {
		line := "irisops ctl" + config + " " + n.Words + which
		if mode, looks := strings.CutPrefix(n.Words, "diagnose"); looks && !strings.Contains(mode, "--") {
			line = "irisops diagnose" + config + which + mode
		} else {
			asks = true
		}
		say(w, "  %s\n", line)
	}
	if asks {
		say(w, "\n  irisops ctl speaks to an irisops that runs: irisops run%s\n", config)
	}
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
	var names []string
	for _, c := range clusters {
		if strings.EqualFold(c.Name, name) {
			return c, nil
		}
		names = append(names, c.Name)
	}
	e := &actions.Error{Code: "usage", Text: "The config has several clusters.", Hint: fmt.Sprintf("Give --cluster with one of: %s.", strings.Join(names, ", "))}
	switch {
	case name != "" && len(names) == 1:
		e.Text, e.Hint = fmt.Sprintf("The config has no cluster %q, only %s.", name, names[0]), "Leave --cluster out."
	case name != "":
		e.Text = fmt.Sprintf("The config has no cluster %q.", name)
	}
	return nil, e
}
