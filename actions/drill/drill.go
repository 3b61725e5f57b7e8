package drill

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Field is the cluster as a drill needs it.
type Field interface {
	Observe(ctx context.Context) cluster.Observation
	Green(ctx context.Context) (bool, string)
	NewestBackup() (time.Time, bool, error)
	Strike(ctx context.Context, node string, sig cluster.Signal) (string, error)
	// Blocked says whether the port of an edge is blocked; an error where it cannot be.
	Blocked(ctx context.Context, node string) (bool, error)
	Block(ctx context.Context, node string) (string, error)
	Unblock(ctx context.Context, node string) (string, error)
	Recovery(ctx context.Context, node string) ([]actions.Step, error)
	// Settleable says what it takes for a core to give up its data after a split; an
	// error where it could not.
	Settleable(ctx context.Context, core string) ([]string, error)
}

// Desk keeps drills, and tells people of them.
type Desk interface {
	Keep(ctx context.Context, r Record) error
	Past() ([]Record, error) // of the cluster, the oldest first
	// Against is why no drill may be now: an open incident, maintenance, another
	// drill; "" for nothing.
	Against() (string, error)
	// Begin is told right before the strike, and gives the incident of the drill,
	// marked so.
	Begin(ctx context.Context, r Record) (incident string)
	// Stop is why the drill has to end now: a person's abort, a halt, a real
	// incident; "" for nothing.
	Stop(r Record) string
	// Progress shows how it stands.
	Progress(r Record)
	// Settle has `recover split-brain` carried out as the plan of the drill says, if
	// Mnesia runs apart, as a run of its own. The drill's approval covers exactly
	// that: its victim gives up its data, and nobody else.
	Settle(ctx context.Context, r Record) (seen string, err error)
	// Alarm opens a real incident and pages: the drill has gone wrong.
	Alarm(ctx context.Context, r Record, what string)
	// End is told when it is over.
	End(ctx context.Context, r Record)
}

// Options are what a drill is made of.
type Options struct {
	Cluster       string
	Nodes         []cluster.Node
	OptedIn       []string // by short name
	AllowLastCore bool
	Notice        time.Duration // from asking to the strike: 15 min
	Limit         time.Duration // for recovery: 5 min
	Fresh         time.Duration // how old the newest backup may be: 24 h
	Late          time.Duration // a login or message that takes longer is late: 500 ms
	Every         time.Duration // between two looks: 500 ms
	Rollback      time.Duration // until the cluster is in order again, after the end: 5 min
	Mode          Mode          // if nobody says
	Field         Field
	Parter        Parter // nil: no nodes can be parted here
	Desk          Desk
	Log           *slog.Logger
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.Limit, 5 * time.Minute}, {&o.Fresh, 24 * time.Hour}, {&o.Late, 500 * time.Millisecond}, {&o.Every, 500 * time.Millisecond}, {&o.Rollback, 5 * time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Mode == "" {
		o.Mode = Auto
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Drill plans and makes the drills of one cluster.
type Drill struct{ Options }

// New is the drill of the options.
func New(o Options) *Drill { return &Drill{o.withDefaults()} }

func (d *Drill) node(short string) (cluster.Node, bool) {
	i := slices.IndexFunc(d.Nodes, func(n cluster.Node) bool { return n.Short == short })
	if i < 0 {
		return cluster.Node{}, false
	}
	return d.Nodes[i], true
}

func (d *Drill) cores() (n int) {
	for _, node := range d.Nodes {
		if node.Role == cluster.CoreRole {
			n++
		}
	}
	return n
}

// Candidates are the nodes that may be struck as far as the config goes, and why
// the others may not.
func (d *Drill) Candidates() (may []string, why map[string]string) {
	why = map[string]string{}
	edges := len(d.Nodes) - d.cores()
	for _, n := range d.Nodes {
		switch {
		case !slices.Contains(d.OptedIn, n.Short):
			why[n.Short] = "not opted in (drill: true at the node in the config)"
		case n.Role == cluster.CoreRole && d.cores() == 1 && !d.AllowLastCore:
			why[n.Short] = "the only core (drill.allow_last_core in the config)"
		case n.Role == cluster.EdgeRole && edges == 1:
			why[n.Short] = "the only edge: nobody could see what clients see"
		default:
			may = append(may, n.Short)
		}
	}
	return may, why
}

// Steady is the steady state before a drill of the victim, part by part. Twice
// asks for a second green diagnosis.
func (d *Drill) Steady(ctx context.Context, victim string, now time.Time, twice bool) []Check {
	var checks []Check
	add := func(name string, held bool, format string, args ...any) {
		checks = append(checks, Check{name, held, fmt.Sprintf(format, args...)})
	}
	switch why, err := d.Desk.Against(); {
	case err != nil:
		add("nothing is going on", false, "could not be found out: %v", err)
	default:
		add("nothing is going on", why == "", "%s", first(why, "no open incident, no maintenance, no other drill"))
	}
	at, found, err := d.Field.NewestBackup()
	switch age := now.Sub(at); {
	case err != nil:
		add("a fresh backup", false, "could not be found out: %v", err)
	case !found:
		add("a fresh backup", false, "there is no verified backup (`backup now` makes one)")
	default:
		add("a fresh backup", age <= d.Fresh, "%s old; at most %s are allowed", aged(age), aged(d.Fresh))
	}
	o := d.Field.Observe(ctx)
	up, cores := 0, 0
	for _, s := range o.Nodes {
		if s.Role == cluster.CoreRole {
			cores++
			if s.Answers && s.Node != victim {
				up++
			}
		}
	}
	n, _ := d.node(victim)
	switch {
	case n.Role == cluster.CoreRole && cores == 1:
		add("cores survive", d.AllowLastCore, "%s is the only core; drill.allow_last_core is %v", victim, d.AllowLastCore)
	default:
		add("cores survive", 2*up >= cores && up > 0, "%d of %d cores answer beside the victim; at least half have to", up, cores)
	}
	served := true
	seen := "every edge lets a client in and delivers"
	for _, s := range o.Nodes {
		if s.Role == cluster.EdgeRole && !s.Untried && s.Delivery == 0 {
			served, seen = false, s.Node+": "+first(s.Trouble, "no message came")
		}
	}
	add("clients are served", served, "%s", seen)
	green, line := d.Field.Green(ctx)
	add("green diagnosis", green, "%s", line)
	if twice && green {
		green, line = d.Field.Green(ctx)
		add("green diagnosis again", green, "%s", line)
	}
	return checks
}

// failing are the checks that do not hold.
func failing(checks []Check) []string {
	var bad []string
	for _, c := range checks {
		if !c.Held {
			bad = append(bad, c.Name+": "+c.Seen)
		}
	}
	return bad
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// aged is how old a backup is, as people say it.
func aged(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}
