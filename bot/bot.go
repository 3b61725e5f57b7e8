// Package bot is the conversation: what a person typed arrives as a delivery, is
// kept, authorised, carried out once, and answered in the thread. It owns the
// meaning of the words; what they look like in a terminal or in Slack is the
// rooms' business, what is done to the cluster is the actions'.
//
// Everything that must survive lives in the store. What the rooms show is
// derived from it and keyed, so that after a restart the bot publishes what is
// open once more and nothing is lost or doubled.
package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/access"
	"irisops/bot/audit"
	"irisops/bot/change"
	"irisops/bot/command"
	"irisops/bot/escalation"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/intake"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/schedule"
	"irisops/bot/watch"
)

// Store keeps what must survive. Every write is durable when it returns.
type Store interface {
	Commit(ctx context.Context, changes ...change.Change) error
	Declare(ctx context.Context, dedup string, build func(number uint64) change.Change) (inc incident.Incident, existed bool, err error)
	Request(ctx context.Context, build func(number uint64) change.Change) (runbook.Run, error)

	Incident(number uint64) (incident.Incident, error)
	OpenIncidents() ([]incident.Incident, error)
	LastIncidents(n int) ([]incident.Incident, error)
	IncidentsSince(since time.Time) ([]incident.Incident, error)
	Timeline(number uint64) ([]incident.Entry, error)
	PagesOf(incident string) ([]pager.Page, error)
	Run(number uint64) (runbook.Run, error)
	Runs(states ...runbook.State) ([]runbook.Run, error)
	LastRuns(n int) ([]runbook.Run, error)

	Page(key string) (pager.Page, error)
	Received(id string) (bool, error)
	Receive(ctx context.Context, d inbox.Delivery) (fresh bool, err error)
	Answer(ctx context.Context, id string, at time.Time) error
	Unanswered() ([]inbox.Delivery, error)

	// Record appends to the audit; Trail visits its entries from a number on.
	Record(ctx context.Context, entries ...audit.Entry) error
	Trail(from uint64, visit func(audit.Entry) error) error
	LastEntry() (e audit.Entry, ok bool, err error)

	SetHalt(ctx context.Context, h *change.Halt) error
	Halted() (*change.Halt, error)

	BeginMaintenance(ctx context.Context, m change.Maintenance) error
	EndMaintenance(ctx context.Context, cluster string, begun time.Time) error
	Maintenance() ([]change.Maintenance, error)

	Schedules() ([]schedule.State, error)
	AmendSchedule(ctx context.Context, name string, change func(*schedule.State) bool) error

	KeepDrill(ctx context.Context, r drill.Record) error
	Drills(cluster string) ([]drill.Record, error)

	KeepWatched(ctx context.Context, cluster string, events []watch.Event) error
	Watched(cluster string) ([]watch.Event, error)

	Overrides(endAfter time.Time) ([]oncall.Override, error)
	PutOverride(ctx context.Context, o oncall.Override, delivery string) (oncall.Override, error)
	Alerts() ([]intake.Alert, error)

	// Audit says what is not armed as it should be, and Rearm mends it.
	Audit(now time.Time) ([]string, error)
	Rearm(ctx context.Context) (repaired int, err error)

	// RecoverPages requeues the pages that were being sent when the bot died,
	// marked as possible duplicates.
	RecoverPages(ctx context.Context) (int, error)
	DuePages(now time.Time, limit int) ([]pager.Page, error)
	Due(now time.Time, limit int) ([]incident.Incident, error)
	NextDue() (time.Time, bool, error)
}

// Cluster is one cluster that the bot stands beside.
type Cluster struct {
	Name    string
	Targets []string // what start, stop and restart can be said of: nodes, roles, all; for forms
	Actions []actions.Action
	// Summary is one line on how it does, within about a second.
	Summary func(ctx context.Context) (actions.Level, string)
	// Observe looks at everything once, for the watch. Nil: it is not watched.
	Observe func(ctx context.Context) cluster.Observation
	// Drill is how it is drilled; its Desk is the conversation. Nil: it is not.
	Drill *drill.Options
}

// Options are what a Bot is made of. Store, Access, OnCall,
// Policies and Clusters are needed.
type Options struct {
	Store    Store
	Access   access.Policy
	OnCall   oncall.Roster
	Policies map[incident.Priority]escalation.Policy
	Clusters []Cluster
	Rooms    []Room
	Senders  []pager.Sender // beside the conversation itself
	// Heartbeat tells somebody outside that every deadline is watched.
	Heartbeat Heartbeat
	// Groups are the user groups that a caller is in where they talk, as far as
	// the Policy has roles for them. Nil: nobody is in any.
	Groups func(ctx context.Context, caller string) []string
	Mask   Mask           // hides secrets in what people typed
	Files  Files          // keeps exports; nil: there are none
	Zone   *time.Location // people's hours
	// Board is what links to the board begin with; "" where people cannot reach it.
	Board string
	// Schedules are what is done by the calendar, and Calendar when it is not.
	Schedules []Scheduled
	Calendar  Calendar
	Watch     Watch
	Log       *slog.Logger
	// Ctl is what people type, on this machine, before words for the socket; "" is
	// the demo, where nobody can speak over it as a person.
	Ctl string
}

// Bot is the conversation. Make one with New; Start it; Stop it.
type Bot struct {
	Options
	log      *slog.Logger
	table    *command.Table
	handlers map[string]handler
	engine   *runbook.Engine
	loop     *escalation.Loop
	drain    *pager.Drain
	calendar *schedule.Loop
	watchers []*watch.Watcher
	drills   map[string]*drillDesk // by cluster
	starters starters
	cancels  cancels
	parents  sync.Mutex // one at a time brings a parent up to date
	looks    sync.Map   // run number -> looking
	shown    roster
	auditor  auditor
	alerts   alertsDesk

	roomsMu sync.RWMutex
	joined  []Room

	ctx    context.Context // ends when the bot stops
	cancel context.CancelFunc

	workMu  sync.Mutex
	stopped bool
	work    sync.WaitGroup // background work and loops
}

// New checks the options and prepares the conversation. Nothing runs yet.
func New(o Options) (*Bot, error) {
	if len(o.Clusters) == 0 {
		return nil, errors.New("there is no cluster to stand beside")
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bot{Options: o, log: o.Log, joined: o.Rooms}
	b.alerts.kicks = make(chan struct{}, 1)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if err := b.makeTable(); err != nil {
		return nil, err
	}
	if err := b.makeSchedules(); err != nil {
		return nil, err
	}
	b.makeWatch()
	b.makeDrills()
	b.makeClocks()
	return b, nil
}

// Start takes up what an earlier life left: pages in mid-send, interrupted
// runs, unanswered deliveries. Then the clocks run until Stop.
func (b *Bot) Start(ctx context.Context) error {
	if err := b.armAgain(ctx); err != nil {
		return fmt.Errorf("taking up where it stopped: %w", err)
	}
	paging := time.AfterFunc(showPatience, b.startPaging)
	err := b.resume(ctx)
	switch waits := paging.Stop(); {
	case err != nil:
		return fmt.Errorf("taking up where it stopped: %w", err)
	case waits:
		b.startPaging()
	}
	b.startClocks()
	return nil
}

// showPatience is how long after a start the clocks wait for what is open to be
// shown, so that a late step comes after what it is about. With thousands open,
// or a slow Slack, showing takes longer; nobody's page waits for that.
const showPatience = 50 * time.Millisecond

// Stop ends the clocks and waits for work under way, as long as ctx lasts. A
// step that is still running then is found "unknown" at the next start.
func (b *Bot) Stop(ctx context.Context) error {
	b.workMu.Lock()
	b.stopped = true
	b.workMu.Unlock()
	b.cancel()
	done := make(chan struct{})
	go func() { b.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("work under way did not end in time: %w", ctx.Err())
	}
}

// Join adds a room; what is open is not shown to it again.
func (b *Bot) Join(r Room) {
	b.roomsMu.Lock()
	defer b.roomsMu.Unlock()
	b.joined = append(append([]Room(nil), b.joined...), r)
}

// Leave removes a room.
func (b *Bot) Leave(r Room) {
	b.roomsMu.Lock()
	defer b.roomsMu.Unlock()
	var rest []Room
	for _, j := range b.joined {
		if j != r {
			rest = append(rest, j)
		}
	}
	b.joined = rest
}

func (b *Bot) rooms() []Room {
	b.roomsMu.RLock()
	defer b.roomsMu.RUnlock()
	return b.joined
}

// background runs f as work that Stop waits for. A panic in it is logged and
// ends only f.
func (b *Bot) background(what string, f func(ctx context.Context)) {
	b.workMu.Lock()
	counted := !b.stopped // after that it has an ended context, and nobody waits for it
	if counted {
		b.work.Add(1)
	}
	b.workMu.Unlock()
	go func() {
		if counted {
			defer b.work.Done()
		}
		defer func() {
			if p := recover(); p != nil {
				b.log.Error("panic", "in", what, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		f(b.ctx)
	}()
}
