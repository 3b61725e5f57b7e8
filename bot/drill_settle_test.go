package bot_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/store"
)

// torn is a cluster of two cores whose line can be cut, and what settles it.
type torn struct {
	ground
	losers string // who would give up its data
	fails  bool   // the settlement fails once, after what the losers had is kept
}

func (g torn) is(state string) bool {
	_, err := os.Stat(filepath.Join(g.dir, state))
	return err == nil
}

func (g torn) Observe(context.Context) cluster.Observation {
	o := cluster.Observation{Cluster: "main"}
	for _, n := range tornNodes {
		s := cluster.Sight{Node: n.Short, Role: n.Role, Answers: true, Process: cluster.Runs, PID: 1}
		if n.Role == cluster.EdgeRole {
			s.Login, s.Delivery = time.Millisecond, time.Millisecond
		} else if g.is("split") {
			o.Findings = append(o.Findings, cluster.Finding{Node: n.Short, Check: "views", Code: "split-brain", Result: actions.Critical, Evidence: "they diverge"})
		}
		o.Nodes = append(o.Nodes, s)
	}
	return o
}

func (g torn) Settleable(context.Context, string) ([]string, error) { return nil, nil }

func (g torn) Part(_ context.Context, core string) ([]string, string, error) {
	g.tell("part %s", core)
	return []string{core, "edge2"}, "they are apart", os.WriteFile(filepath.Join(g.dir, "split"), nil, 0o600)
}

func (g torn) Heal(context.Context) (string, error) { return "they see each other", nil }

func (g torn) settle(_ context.Context, req actions.Request) (actions.Plan, error) {
	step := func(name string, do func() error) actions.Step {
		return actions.Step{Name: name, Describe: name, Perform: func(context.Context) (string, error) {
			g.tell("%s", name)
			return "", do()
		}}
	}
	nothing := func() error { return nil }
	join := func() error { return os.Remove(filepath.Join(g.dir, "split")) }
	p := actions.Plan{Title: "Settle the split-brain: " + g.losers + " gives up its data", Class: actions.Harm, Why: "it restarts", Targets: []string{"main/core1", "main/core2"}}
	switch {
	case req.Args["merge"] != "":
		p.Title, p.Class, p.Steps = "Merge what was kept", actions.Do, []actions.Step{step("merge "+req.Args["merge"], nothing)}
		return p, nil
	case !g.is("split") && req.Agreed == 0:
		return p, &actions.Error{Code: "not-split", Text: "There is no split."}
	}
	p.Bound = actions.Args{"losers": g.losers, "stamp": "20000101T000000Z"}
	p.Steps = []actions.Step{step("keep what only "+g.losers+" has", nothing), step("join", join), step("merge", func() error {
		if g.fails {
			return actions.Errorf("no", "the cores do not agree")
		}
		return nil
	})}
	return p, nil
}

var tornNodes = []cluster.Node{
	{Cluster: "main", Short: "core1", Name: "iris_core1@h1", Role: cluster.CoreRole}, {Cluster: "main", Short: "core2", Name: "iris_core2@h1", Role: cluster.CoreRole},
	{Cluster: "main", Short: "edge1", Name: "iris_edge1@h1", Role: cluster.EdgeRole}, {Cluster: "main", Short: "edge2", Name: "iris_edge2@h1", Role: cluster.EdgeRole},
}

// What settles the split of a drill is a run of its own, agreed to by who agreed to
// the drill; it covers exactly what was named there, and what it has kept is merged
// even if it fails in the middle.
func TestSettlementOfADrill(t *testing.T) {
	for _, c := range []struct {
		name    string
		losers  string
		fails   bool
		verdict drill.Verdict
		acts    string
		runs    []string
		paged   string // for a real incident
	}{
		{"as it was agreed to", "core2", false, drill.Passed, "part core2,keep what only core2 has,join,merge", []string{"done"}, ""},
		{"it fails in the middle", "core2", true, drill.Passed, "part core2,keep what only core2 has,join,merge,merge 20000101T000000Z", []string{"failed", "done"}, ""},
		{"others would give up theirs", "core1", false, drill.Failed, "part core2", nil, "What was agreed to with REQ-1 is that core2 gives up its data, and nobody else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			g := torn{ground{dir}, c.losers, c.fails}
			list := append(newFakeCluster().actions(), actions.Action{Name: "recover split-brain", Summary: "join", Example: "recover split-brain",
				Params: []actions.Param{{Name: "loser", Kind: actions.Word, Flag: true, Doc: "who", Example: "core2"}}, Plan: g.settle})
			b, err := bot.New(bot.Options{
				Store: db, Rooms: []bot.Room{&posts{}}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
				OnCall: oncall.Roster{Roles: map[string]string{"primary": "operator"}},
				Clusters: []bot.Cluster{{Name: "main", Actions: list, Summary: newFakeCluster().summary, Drill: &drill.Options{
					Cluster: "main", Nodes: tornNodes, OptedIn: []string{"core2"}, Field: g, Parter: g,
					Every: 5 * time.Millisecond, Limit: 500 * time.Millisecond, Rollback: 300 * time.Millisecond}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := b.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			say(b, "operator: drill run --fault partition --node core2", "ask")
			if code := say(b, "operator: approve REQ-1", "self"); code == 0 {
				t.Error("who asked for it approved it")
			}
			say(b, "second: approve REQ-1", "approve")
			until(t, "the drill ends", func() bool { run, err := db.Run(1); return err == nil && !run.Ended.IsZero() })
			past, err := db.Drills("main")
			if err != nil || len(past) != 1 || past[0].Verdict != c.verdict {
				t.Fatalf("%v: %s\n%+v", err, past[0].Headline(), past[0].Rollbacks)
			}
			acts, err := os.ReadFile(filepath.Join(dir, "acts"))
			if got := strings.ReplaceAll(strings.TrimSpace(string(acts)), "\n", ","); err != nil || got != c.acts {
				t.Errorf("%q, %v", got, err)
			}
			runs, err := db.LastRuns(9)
			if err != nil || len(runs) != 1+len(c.runs) {
				t.Fatalf("%d runs, %v", len(runs), err)
			}
			for i, state := range c.runs {
				run := runs[len(runs)-2-i]
				if string(run.State) != state || run.By != "operator" || run.Approval.By != "second" || run.Approval.Reason != "agreed to with the drill, REQ-1" ||
					run.Class != actions.Harm || run.Args["drill"] != past[0].ID || run.Incident != past[0].Incident || run.State == runbook.Running {
					t.Errorf("%+v", run)
				}
			}
			open, err := db.OpenIncidents()
			switch {
			case err != nil, c.paged == "" && len(open) > 0:
				t.Errorf("%+v, %v", open, err)
			case c.paged != "":
				found := false
				for _, inc := range open {
					entries, err := db.Timeline(inc.Number)
					if err != nil {
						t.Fatal(err)
					}
					found = found || slices.ContainsFunc(entries, func(e incident.Entry) bool {
						return !inc.Drill && e.Kind == incident.KindEscalated && strings.Contains(e.Text, c.paged)
					})
				}
				if !found {
					t.Errorf("nobody was paged that %q: %+v", c.paged, open)
				}
			}
		})
	}
}
