package cluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// tunable is a setting of Mnesia that can be changed while it runs. Mnesia keeps
// its settings in a table of its own; mnesia:change_config knows neither of
// these, and application:set_env is read at its start only.
type tunable struct {
	name        string
	least, most int64
	unit        string
	takes       string // when it takes effect
}

// dumpSettings are both in OTP 25 to 27. The count of writes begins anew with a
// dump, so that one is made; the timer that runs is not touched.
var dumpSettings = []tunable{
	{"dump_log_write_threshold", 100, 1_000_000, "writes", "at once, because the log is dumped now"},
	{"dump_log_time_threshold", 1_000, 3_600_000, "ms", "when the interval that runs now ends"},
}

const dumpWithin = 30 * time.Second

func (c *Cluster) tuneAction() actions.Action {
	return actions.Action{
		Name:    "mnesia tune",
		Summary: "Change when Mnesia dumps its log on the live cores, and show the way back",
		Example: "mnesia tune dump_log_write_threshold 10000",
		Long: `Sets one of two settings on every core that runs, and reads it back:
dump_log_write_threshold  how many writes fill the log until it is dumped into the tables (IRIS leaves Mnesia's 1,000)
dump_log_time_threshold   after how many milliseconds it is dumped at the latest (180,000)
When Mnesia says that it is overloaded, the log fills faster than it can be dumped: a larger write threshold makes fewer and larger dumps. A larger one also makes more to do at the next start.

The write threshold takes effect at once: the log is dumped, and the count begins anew. The time threshold takes effect when the interval that runs now ends. Both last until the core restarts; for good they belong into IRIS's config: {mnesia, [{dump_log_write_threshold, 10000}]}. What was there before is shown, with the words that bring it back.

Runbook: ` + commonFixes.String() + `, "Mnesia overload". Its mnesia:system_info(transaction_failures) only counts; mnesia:change_config takes neither setting, and says so; application:set_env changes nothing in a Mnesia that runs.`,
		Params: []actions.Param{
			{Name: "key", Kind: actions.Choice, Choices: []string{dumpSettings[0].name, dumpSettings[1].name}, Doc: "which setting", Example: dumpSettings[0].name},
			{Name: "value", Kind: actions.Count, Doc: "writes, or milliseconds", Example: "10000"},
		},
		Plan: c.planTune,
	}
}

func (c *Cluster) planTune(ctx context.Context, req actions.Request) (actions.Plan, error) {
	i := slices.IndexFunc(dumpSettings, func(t tunable) bool { return t.name == req.Args["key"] })
	if i < 0 {
		return actions.Plan{}, &actions.Error{Code: "usage", Text: fmt.Sprintf("Mnesia's setting %q cannot be changed here.", req.Args["key"]), Hint: "There are " + dumpSettings[0].name + " and " + dumpSettings[1].name + "."}
	}
	t := dumpSettings[i]
	value, err := strconv.ParseInt(req.Args["value"], 10, 64)
	if err != nil || value < t.least || value > t.most {
		return actions.Plan{}, &actions.Error{Code: "usage", Text: fmt.Sprintf("%s has to be between %s and %s %s.", t.name, grouped(t.least), grouped(t.most), t.unit),
			Hint: fmt.Sprintf("For example: mnesia tune %s %d.", t.name, max(t.least*100, 1000))}
	}
	cores := c.ByRole(CoreRole)
	p := actions.Plan{Title: fmt.Sprintf("Set %s to %s %s on %s", t.name, grouped(value), t.unit, listed(shorts(cores))), Class: actions.Do, Why: "it can be set back, and stops nothing"}
	for _, n := range cores {
		p.Targets = append(p.Targets, n.Key())
		p.Steps = append(p.Steps, c.tuneStep(n, t, value))
	}
	if req.Agreed != 0 {
		return p, nil
	}
	lives := c.survey(ctx, cores)
	running := 0
	for _, n := range cores {
		if lives[n.Short].silence != nil {
			p.Preview = append(p.Preview, fmt.Sprintf("WARNING: %s %s: it is left out", n.Short, c.state(n, lives[n.Short])))
			continue
		}
		old, err := c.setting(ctx, n, t)
		if err != nil {
			p.Preview = append(p.Preview, fmt.Sprintf("WARNING: %s: %s", n.Short, c.mask.err(err)))
			continue
		}
		running++
		p.Preview = append(p.Preview, fmt.Sprintf("%s: %s is %s now; set to %s; back with `mnesia tune %s %d`", n.Short, t.name, grouped(old), grouped(value), t.name, old))
		if line := c.loadLine(ctx, n); line != "" {
			p.Preview = append(p.Preview, "    "+line)
		}
	}
	if running == 0 {
		return actions.Plan{}, &actions.Error{Code: "not-running", Text: "Mnesia of no core can be asked: there is nothing to set.", Hint: "Say `diagnose mnesia`."}
	}
	p.Preview = append(p.Preview, "takes effect "+t.takes+"; lasts until the core restarts")
	return p, nil
}

// loadLine is how busy a core's Mnesia is.
func (c *Cluster) loadLine(ctx context.Context, n Node) string {
	m := c.mnesiaState(ctx, n)
	if m.Error != "" || m.State != "yes" {
		return ""
	}
	f := m.Figures
	line := fmt.Sprintf("since its start %s commits, %s failures, %s restarts, %s log writes", grouped(f["transaction_commits"]), grouped(f["transaction_failures"]),
		grouped(f["transaction_restarts"]), grouped(f["transaction_log_writes"]))
	if tail, err := c.visit(n).tail(ctx); err == nil {
		line += fmt.Sprintf("; %s of an overload in %s", plural(tail.inLog(time.Now().Add(-overloadWindow), "Mnesia", "overloaded"), "report"), spoken(overloadWindow))
	}
	return line
}

func (c *Cluster) setting(ctx context.Context, n Node, t tunable) (int64, error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	reply, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom(t.name))
	if err != nil {
		return 0, err
	}
	value, ok := term.AsInt(reply)
	if !ok {
		return 0, unexpected(reply)
	}
	return value, nil
}

func (c *Cluster) tuneStep(n Node, t tunable, value int64) actions.Step {
	return actions.Step{
		Name:     fmt.Sprintf("set %s on %s", t.name, n.Short),
		Describe: fmt.Sprintf("mnesia_monitor:set_env(%s, %d) on %s if it runs, read back; %s", t.name, value, n.Name, t.takes),
		Perform:  func(ctx context.Context) (string, error) { return c.tune(ctx, n, t, value) },
		Check: func(ctx context.Context) (string, error) {
			now, err := c.setting(ctx, n, t)
			switch {
			case err != nil && unreachable(err):
				return n.Short + " does not run", nil // it starts with what its config says
			case err != nil:
				return "", err
			case now != value:
				return "", actions.Errorf("not-set", "%s is %s on %s.", t.name, grouped(now), n.Short)
			}
			return fmt.Sprintf("it is %s", grouped(now)), nil
		},
		Timeout: 3*c.opt.Call + dumpWithin + 10*time.Second,
	}
}

func (c *Cluster) tune(ctx context.Context, n Node, t tunable, value int64) (string, error) {
	l := c.look(ctx, n)
	if l.silence != nil {
		return fmt.Sprintf("left out: %s", c.state(n, l)), nil
	}
	old, err := c.setting(ctx, n, t)
	if err != nil {
		return "", err
	}
	reply, err := c.erlang.Call(ctx, n.Name, "mnesia_monitor", "set_env", term.Atom(t.name), value)
	if err != nil {
		return "", c.failure(err, fmt.Sprintf("This Erlang has no other way while Mnesia runs: set it in IRIS's config, {mnesia, [{%s, %d}]}, and restart the core.", t.name, value),
			"%s could not be set on %s: %s", t.name, n.Short, c.mask.err(err))
	}
	if reply != term.Atom("ok") {
		return "", unexpected(reply)
	}
	text := fmt.Sprintf("was %s; back with `mnesia tune %s %d`", grouped(old), t.name, old)
	if t.name != dumpSettings[0].name {
		return text + "; takes effect " + t.takes, nil
	}
	begin := time.Now()
	dumping, cancel := context.WithTimeout(ctx, dumpWithin)
	defer cancel()
	switch _, err := c.erlang.Call(dumping, n.Name, "mnesia", "dump_log"); {
	case err != nil && silent(err):
		text += fmt.Sprintf("; its log is still being dumped after %s, and the new count begins with the end of that", spoken(dumpWithin))
	case err != nil:
		return text, err
	default:
		text += "; log dumped in " + spoken(time.Since(begin))
	}
	return text, nil
}
