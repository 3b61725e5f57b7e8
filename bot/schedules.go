package bot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/schedule"
)

// Scheduled is an entry of the calendar: words that irisops says to itself on a
// cluster, or a chore of its own that has no words.
type Scheduled struct {
	schedule.Entry
	Cluster string                          // "": the only one
	Chore   func(ctx context.Context) error // where there are no Words
}

// Calendar is what stands against entries beside incidents and maintenance.
type Calendar struct {
	Blackout []schedule.Days
	// DeployLock is a file: while it exists, something is being deployed. "": none.
	DeployLock string
}

const viaSchedule = "schedule"

// makeSchedules checks the entries against the words that there are, and allows
// each its own command.
func (b *Bot) makeSchedules() error {
	b.Access.Schedules = maps.Clone(b.Access.Schedules)
	if b.Access.Schedules == nil {
		b.Access.Schedules = map[string]string{}
	}
	var entries []schedule.Entry
	for _, e := range b.Schedules {
		if _, twice := b.Access.Schedules[e.Name]; twice {
			return fmt.Errorf("there are two schedules called %s", e.Name)
		}
		b.Access.Schedules[e.Name] = ""
		if e.Chore == nil {
			parsed, err := b.table.Parse(e.Words, b.people())
			if err != nil {
				return fmt.Errorf("the schedule %s says `%s`: %w", e.Name, e.Words, err)
			}
			b.Access.Schedules[e.Name] = parsed.Spec.Words
		}
		entries = append(entries, e.Entry)
	}
	b.calendar = &schedule.Loop{
		Entries: entries, Store: b.Store, Log: b.log,
		Deliver: b.runScheduled,
		Against: b.against,
		Say:     b.sayScheduled,
		Alarm:   func(err error) { b.alarm("Schedules need attention", err) },
	}
	return nil
}

func (b *Bot) scheduled(name string) (Scheduled, error) {
	var names []string
	for _, e := range b.Schedules {
		if strings.EqualFold(e.Name, name) {
			return e, nil
		}
		names = append(names, e.Name)
	}
	if len(names) == 0 {
		return Scheduled{}, &actions.Error{Code: "no-schedule", Text: "There is no schedule here.", Hint: "`schedules:` in the config has them."}
	}
	return Scheduled{}, &actions.Error{Code: "no-schedule", Text: fmt.Sprintf("There is no schedule %q.", name), Hint: "There is: " + strings.Join(names, ", ") + "."}
}

// runScheduled hands a run over to the conversation, where it is kept,
// authorised and carried out like what a person says.
func (b *Bot) runScheduled(ctx context.Context, r schedule.Run, ended func(schedule.Result, string)) error {
	e, err := b.scheduled(r.Entry.Name)
	if err != nil {
		return err
	}
	d := inbox.Delivery{ID: r.ID, Via: viaSchedule, Caller: viaSchedule + ":" + e.Name, Text: e.Words, Cluster: e.Cluster, Yes: true, Received: nowUTC()}
	if e.Chore != nil {
		b.background(d.Caller, func(ctx context.Context) {
			if err := e.Chore(ctx); err != nil {
				b.log.Error("a chore failed", "schedule", e.Name, "err", err)
				ended(schedule.Failed, err.Error())
				return
			}
			ended(schedule.Done, "")
		})
		return nil
	}
	fresh, err := b.Receive(ctx, d)
	if err != nil {
		return err
	}
	if !fresh { // handed over before irisops was killed, and dealt with at the start
		ended(schedule.Unknown, schedule.Restarted)
		return nil
	}
	if r.Late > 0 {
		b.publish(ctx, Post{Key: r.ID + "/late", Message: message.Message{Level: message.Info,
			Title: fmt.Sprintf("The schedule %s, due at %s, runs now, late by %s.", e.Name, b.clock(r.Due, nowUTC()), spoken(r.Late))}})
	}
	b.background(d.Caller, func(ctx context.Context) { ended(outcomeOf(d, b.CarryOut(ctx, d))) })
	return nil
}

// outcomeOf waits for what came of a run.
func outcomeOf(d inbox.Delivery, out *Outcome) (schedule.Result, string) {
	if code := out.Wait(); code != ExitDone {
		return schedule.Failed, "see what it answered to `" + d.Text + "`"
	}
	return schedule.Done, ""
}

// mayRunAgain says that a run which irisops was killed in did nothing yet, is
// young, and may still be made.
func (b *Bot) mayRunAgain(d inbox.Delivery) bool {
	name, ok := strings.CutPrefix(d.Caller, viaSchedule+":")
	if !ok || d.Via != viaSchedule || !d.CarriedOut.IsZero() || time.Since(d.Received) > StaleAfter {
		return false
	}
	e, err := b.scheduled(name)
	return err == nil && b.against(e.Entry, nowUTC()) == ""
}

// against is what stands against running an entry now.
func (b *Bot) against(e schedule.Entry, now time.Time) string {
	s, err := b.scheduled(e.Name)
	if err != nil {
		return err.Error()
	}
	why, err := b.holds(s, now)
	if err != nil {
		return "whether something stands against it could not be found out: " + err.Error()
	}
	return why
}

func (b *Bot) holds(e Scheduled, now time.Time) (string, error) {
	cluster := e.Cluster
	if cluster == "" {
		cluster = b.Clusters[0].Name
	}
	if e.Hold.Blackout {
		for _, days := range b.Calendar.Blackout {
			if days.Covers(now, b.Zone) {
				return fmt.Sprintf("%s is a blackout", days), nil
			}
		}
	}
	if e.Hold.Maintenance {
		if m, err := b.maintenanceOf(cluster, now); err != nil {
			return "", err
		} else if m != nil {
			return fmt.Sprintf("maintenance of %s by %s until %s: %s", m.Cluster, m.By, b.clock(m.Until, now), m.Reason), nil
		}
	}
	if e.Hold.Incident {
		open, err := b.Store.OpenIncidents()
		if err != nil {
			return "", err
		}
		for _, inc := range open {
			if (e.Cluster == "" || inc.Cluster == cluster) && inc.State != incident.Recovered && !inc.Drill {
				return fmt.Sprintf("%s %s is %s: %s", inc.ID(), inc.Priority, inc.State, inc.Title), nil
			}
		}
	}
	if e.Hold.DeployLock && b.Calendar.DeployLock != "" {
		_, err := os.Lstat(b.Calendar.DeployLock)
		if err == nil {
			return "a deploy holds its lock (" + filepath.Base(b.Calendar.DeployLock) + ")", nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// sayScheduled tells why a run was not made.
func (b *Bot) sayScheduled(e schedule.Entry, o schedule.Outcome) {
	m := message.Message{Level: message.Warn, Title: fmt.Sprintf("The schedule %s, due at %s, was skipped: %s.", e.Name, b.clock(o.Due, nowUTC()), o.Text),
		Blocks:  []message.Block{{Text: "It is: " + e.What + ". Once nothing stands against it any more, an owner may run it: `schedule run " + e.Name + "`."}},
		Buttons: []message.Button{{Label: "Show Schedules", Words: "schedule list"}}}
	if o.Result == schedule.Missed {
		m.Title = fmt.Sprintf("The schedule %s, due at %s, was missed: %s.", e.Name, b.clock(o.Due, nowUTC()), o.Text)
	}
	b.publish(b.ctx, Post{Key: schedule.ID(e.Name, o.Due) + "/" + string(o.Result), Message: m})
}
