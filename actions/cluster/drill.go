package cluster

import (
	"context"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/actions/backup"
)

// What a drill does to a node: to its one process, found by its exact name and
// folder, and never to the machine that it runs on.

// Strike sends a signal to exactly the node's process, and sees that it worked.
func (c *Cluster) Strike(ctx context.Context, short string, sig Signal) (string, error) {
	n, err := c.one(short)
	if err != nil {
		return "", err
	}
	p, runs, err := c.process(ctx, n)
	switch {
	case err != nil:
		return "", err
	case !runs:
		return "", actions.Errorf("not-running", "%s does not run: there is nothing to strike.", n.Short)
	}
	if err := c.host.Signal(ctx, p, sig); err != nil {
		return "", err
	}
	if sig == Kill {
		waiting, cancel := context.WithTimeout(ctx, c.opt.Kill)
		defer cancel()
		if err := c.host.WaitExit(waiting, p); err != nil {
			return "", c.failure(err, "", "pid %d of %s did not end within %s of SIGKILL.", p.PID, n.Short, spoken(c.opt.Kill))
		}
		return fmt.Sprintf("kill -9 of pid %d (%s): it is gone", p.PID, n.Name), nil
	}
	want := sig == Pause
	seen, err := until(ctx, func(ctx context.Context) (bool, string, error) {
		now, runs, err := c.process(ctx, n)
		if err != nil {
			return false, "", err
		}
		return runs && now.PID == p.PID && (now.State == "stopped") == want, fmt.Sprintf("pid %d is %s", now.PID, now.State), nil
	})
	if err != nil {
		return "", c.failure(err, "", "SIG%s had no effect on %s: %s.", sig, n.Short, seen)
	}
	return fmt.Sprintf("SIG%s to pid %d (%s): %s", sig, p.PID, n.Name, seen), nil
}

// Recovery are the steps that have a node run and serve again, whatever is left
// of it; its log is renamed before the start would truncate it. That they may be taken was agreed to with the drill.
func (c *Cluster) Recovery(ctx context.Context, short string) ([]actions.Step, error) {
	plan, err := c.plan(ctx, opRestart, actions.Request{Args: actions.Args{"target": short}, Agreed: actions.Harm})
	return plan.Steps, err
}

// Green makes the quick diagnosis and says whether it found no trouble.
func (c *Cluster) Green(ctx context.Context) (bool, string) {
	r, err := c.lookDiagnose(ctx, actions.Request{Args: actions.Args{}, Now: time.Now().UTC()})
	if err != nil {
		return false, c.mask.err(err)
	}
	return r.Level == actions.OK, r.Headline
}

// NewestBackup is when the newest verified backup was made; false if there is
// none.
func (c *Cluster) NewestBackup() (time.Time, bool, error) {
	if c.opt.Backups == nil {
		return time.Time{}, false, nil
	}
	all, err := c.opt.Backups.Backups(c.Name)
	if err != nil {
		return time.Time{}, false, err
	}
	newest, found := backup.Newest(all, c.Name)
	return newest.At, found, nil
}

// Settleable says what it takes for a core to give up its data, should it and the
// others ever have run apart; an error where it could not.
func (c *Cluster) Settleable(ctx context.Context, short string) ([]string, error) {
	n, err := c.one(short)
	if err != nil {
		return nil, err
	}
	if c.opt.Exports == nil {
		return nil, actions.Errorf("no-folder", "irisops has no folder to keep messages in, and without one no side can give up its data.")
	}
	found, err := c.sides(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, actions.Errorf(codeSplit, "%s and %s run apart already.", found[0], found[1])
	}
	s := settlement{losers: side{n}, folders: map[string]string{}, logs: map[string]string{}}
	if s.folders[n.Short], s.logs[n.Short], err = c.whereData(ctx, n); err != nil {
		return nil, err
	}
	return c.room(ctx, s)
}
