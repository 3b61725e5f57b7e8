package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/backup"
)

var backupID = actions.Param{Name: "id", Kind: actions.Word, Doc: "a backup, as `backup list` names it", Example: "B-20260301T031500-core"}

func (c *Cluster) backupList() actions.Action {
	return actions.Action{
		Name:    "backup list",
		Summary: "The backups of the cluster, and how old the newest good one is",
		Example: "backup list",
		Long:    "Lists what `backup now` made and has not removed, the newest first, and asks each node whether the file is still there with the size that it had. `backup verify ID` reads one whole.",
		Look:    c.lookBackups,
	}
}

func (c *Cluster) backupVerify() actions.Action {
	return actions.Action{
		Name:    "backup verify",
		Summary: "Read a backup whole, and compare it with what was written",
		Example: "backup verify B-20260301T031500-core",
		Long:    "Reads the whole file on its host: its size, its checksum and the number of records in each table have to be those of the day it was made. The outcome is remembered. The node that made it has to run; Mnesia need not.",
		Params:  []actions.Param{backupID},
		Look:    c.lookVerifyBackup,
	}
}

func (c *Cluster) backupRestorePlan() actions.Action {
	return actions.Action{
		Name:    "backup restore-plan",
		Summary: "The steps by which a person puts the cluster back to a backup",
		Example: "backup restore-plan B-20260301T031500-core",
		Long:    "Prints the steps with exact paths and names, and does nothing. irisops does not restore by itself: everything written since the backup is lost by it, so a person decides.",
		Params:  []actions.Param{backupID},
		Look:    c.lookRestorePlan,
	}
}

// staleBackup is from when on the newest good backup is worth a word.
const staleBackup = 48 * time.Hour

func (c *Cluster) lookBackups(ctx context.Context, req actions.Request) (actions.Result, error) {
	if err := c.backups(); err != nil {
		return actions.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Full)
	defer cancel()
	all, err := c.opt.Backups.Backups(c.Name)
	if err != nil {
		return actions.Result{}, err
	}
	all = slices.DeleteFunc(all, func(b backup.Backup) bool { return !b.Removed.IsZero() })
	slices.Reverse(all)
	r := actions.Result{Level: actions.OK, Data: all}
	newest, found := backup.Newest(all, c.Name)
	switch {
	case !found && len(all) == 0:
		r.Level, r.Headline = actions.Warn, c.Name+" has no backup"
	case !found:
		r.Level, r.Headline = actions.Warn, fmt.Sprintf("none of the %s of %s is verified", plural(len(all), "backup"), c.Name)
	default:
		age := max(0, req.Now.Sub(newest.At))
		r.Headline = fmt.Sprintf("the newest verified backup of %s is %s old: %s; %s kept", c.Name, spoken(age), newest.ID, plural(len(all), "backup"))
		if age > staleBackup {
			r.Level = actions.Warn
		}
		r.Next = []actions.Next{{Label: "How to Restore", Words: "backup restore-plan " + newest.ID}}
	}
	s := actions.Section{Header: []string{"Backup", "Made", "By", "Size", "Records", "State", "File"}}
	for _, row := range each(all, func(b backup.Backup) []string {
		var records int64
		for _, n := range b.Records {
			records += n
		}
		return []string{b.ID, c.when(b.At), b.By, size(uint64(b.Bytes)), grouped(records), c.stateOf(ctx, b), b.Node + ":" + b.Path}
	}) {
		s.Rows = append(s.Rows, row)
		if row[5] != "" && row[5][0] != 'v' && r.Level == actions.OK {
			r.Level = actions.Warn
			r.Headline += "; not all are as they should be"
		}
	}
	if len(s.Rows) > 0 {
		r.Sections = []actions.Section{s}
	}
	if r.Level != actions.OK {
		r.Next = append([]actions.Next{{Label: "Back Up Now", Words: "backup now"}}, r.Next...)
	}
	return r, nil
}

// stateOf is "verified ..." for a backup that is as it should be, as far as a
// look at its size tells.
func (c *Cluster) stateOf(ctx context.Context, b backup.Backup) string {
	if b.Damage != "" {
		return "damaged: " + b.Damage
	}
	nodes, err := c.Select(b.Node)
	if err != nil || len(nodes) != 1 {
		return "unknown: " + b.Node + " is not in the config"
	}
	v := c.visit(nodes[0])
	if err := v.answers(ctx); err != nil {
		return "unknown: " + b.Node + " " + c.silence(nodes[0], err)
	}
	n, err := v.fileSize(ctx, b.Path)
	switch {
	case err != nil:
		return "unknown: " + c.mask.err(err)
	case n == 0:
		return "gone: there is no such file"
	case n != b.Bytes:
		return fmt.Sprintf("changed: it has %s", size(uint64(n)))
	}
	return "verified " + c.when(b.Verified)
}

func (c *Cluster) lookVerifyBackup(ctx context.Context, req actions.Request) (actions.Result, error) {
	b, err := c.backupOf(req.Args["id"])
	if err != nil {
		return actions.Result{}, err
	}
	if !b.Removed.IsZero() {
		return actions.Result{}, actions.Errorf("removed", "%s was removed at %s, to make room.", b.ID, c.when(b.Removed))
	}
	nodes, err := c.Select(b.Node)
	if err != nil {
		return actions.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, reading)
	defer cancel()
	v := c.visit(nodes[0])
	asking, done := context.WithTimeout(ctx, c.opt.Diagnose)
	err = v.answers(asking)
	done()
	if err != nil {
		return actions.Result{Level: actions.Unknown, Headline: fmt.Sprintf("%s cannot be read now: %s %s", b.ID, b.Node, c.silence(nodes[0], err)),
			Sections: []actions.Section{{Lines: []string{"The file lies on the host of " + b.Node + ", and is read through that node."}}}}, nil
	}
	in, err := v.readBackup(ctx, b.Path)
	switch {
	case actions.CodeOf(err) == codeUnreadable:
		b.Damage = err.Error()
	case err != nil:
		return actions.Result{}, err // it may be whole all the same
	case in.bytes != b.Bytes:
		b.Damage = fmt.Sprintf("it has %d bytes, and had %d", in.bytes, b.Bytes)
	case in.sum != b.Sum:
		b.Damage = "its contents are not those that were written"
	case recordsOf(in.records) != recordsOf(b.Records):
		b.Damage = fmt.Sprintf("it holds %s, and held %s", recordsOf(in.records), recordsOf(b.Records))
	default:
		b.Damage, b.Verified = "", time.Now().UTC().Round(0)
	}
	if err := c.opt.Backups.KeepBackup(ctx, b); err != nil {
		return actions.Result{}, err
	}
	if b.Damage != "" {
		return actions.Result{Level: actions.Critical, Headline: fmt.Sprintf("%s is damaged: %s", b.ID, b.Damage), Data: b,
			Sections: []actions.Section{{Lines: []string{b.Node + ":" + b.Path}}}, Next: []actions.Next{{Label: "Back Up Now", Words: "backup now"}}}, nil
	}
	return actions.Result{Level: actions.OK, Headline: fmt.Sprintf("%s is whole: %s, %s", b.ID, size(uint64(b.Bytes)), recordsOf(b.Records)), Data: b,
		Sections: []actions.Section{{Lines: []string{b.Node + ":" + b.Path}}}, Next: []actions.Next{{Label: "How to Restore", Words: "backup restore-plan " + b.ID}}}, nil
}

func (c *Cluster) lookRestorePlan(_ context.Context, req actions.Request) (actions.Result, error) {
	b, err := c.backupOf(req.Args["id"])
	if err != nil {
		return actions.Result{}, err
	}
	nodes, err := c.Select(b.Node)
	if err != nil {
		return actions.Result{}, err
	}
	n := nodes[0]
	all, err := c.opt.Backups.Backups(c.Name)
	if err != nil {
		return actions.Result{}, err
	}
	r := actions.Result{Level: actions.OK, Headline: fmt.Sprintf("how to put %s back to %s, the state of %s; nothing was done", c.Name, b.ID, c.when(b.At)), Data: b}
	if !b.Good() {
		r.Level = actions.Warn
		r.Headline += "; beware: it is not verified"
		if !b.Removed.IsZero() {
			r.Headline = fmt.Sprintf("%s was removed at %s: it cannot be restored", b.ID, c.when(b.Removed))
			return r, nil
		}
	}
	var cores []string
	for _, core := range c.ByRole(CoreRole) {
		cores = append(cores, core.Short)
	}
	var keep, wal []string
	for _, core := range c.ByRole(CoreRole) {
		keep = append(keep, fmt.Sprintf("%s:%s/Mnesia.%s", hostOf(core), core.Dir, core.Name))
		wal = append(wal, fmt.Sprintf("%s:%s/data/wal", hostOf(core), core.Dir))
	}
	second := fmt.Sprintf("2. See that it is whole: `backup verify %s`. Keep what is there now: `backup now`.", b.ID)
	// One more backup may be one too many, and this one the oldest.
	next := append(all, backup.Backup{ID: backup.NewID(b.Node, req.Now), Cluster: c.Name, At: req.Now, Verified: req.Now})
	if slices.ContainsFunc(backup.Surplus(next, c.Name, c.opt.Backup.Keep), func(s backup.Backup) bool { return s.ID == b.ID }) {
		second = fmt.Sprintf("2. See that it is whole: `backup verify %s`. Copy %s on %s to another folder, and name the copy in step 3: `backup now`, which keeps what is there now, removes this one, as only the newest %d stay. Then say `backup now`.",
			b.ID, b.Path, hostOf(n), max(c.opt.Backup.Keep, 1))
	}
	r.Sections = []actions.Section{
		{Lines: []string{"Everything that was written after " + c.when(b.At) + " is lost by this: messages, revoked tokens, users' settings.",
			"In the backup are " + recordsOf(b.Records) + "."}},
		{Title: "Steps", Lines: []string{
			fmt.Sprintf("1. Tell people: `maintenance on 1h restoring %s`.", b.ID),
			second,
			fmt.Sprintf("3. All cores (%s) have to run, with Mnesia. On %s, in a shell of %s (erl -remsh):", listed(cores), hostOf(n), n.Name),
			fmt.Sprintf("       mnesia:install_fallback(%q).", b.Path),
			"   It has to answer ok. Nothing has changed yet; mnesia:uninstall_fallback(). takes it back.",
			"4. `stop all`. Copy aside, as they are now: " + listed(keep) + ".",
			"   Move aside the write-ahead logs, or their last messages come on top: " + listed(wal) + ".",
			"5. `start all`: the cores together, well within 30 s. Mnesia loads the backup as it starts.",
			"6. Look: `mnesia` shows the sizes, which have to be those above; then `verify` and `maintenance off`.",
		}},
	}
	r.Next = []actions.Next{{Label: "Verify Backup", Words: "backup verify " + b.ID}}
	return r, nil
}
