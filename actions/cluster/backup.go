package cluster

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/backup"
	"irisops/actions/erlang/term"
)

// Backups remembers what backups were made. It is asked by the id's of backup.
type Backups interface {
	KeepBackup(ctx context.Context, b backup.Backup) error // a new one, or a new state of a known one
	Backups(cluster string) ([]backup.Backup, error)       // the oldest first
}

// BackupOptions say where backups go and how many are kept.
type BackupOptions struct {
	Dir     string // absolute, on the node's host; "": the folder backups in the node's own
	Keep    int    // good ones of a cluster: 7
	MinFree uint64 // bytes that have to stay free on that disk: 2 GiB
}

const (
	reading        = 30 * time.Minute // bounds a step that writes or reads a whole backup
	codeUnreadable = "unreadable"

	boundPath  = "path"
	boundNode  = "node"
	boundID    = "backup"
	backupFile = ".bak"
)

func (c *Cluster) backupNow() actions.Action {
	return actions.Action{
		Name:    "backup now",
		Summary: "Back Mnesia up, see that the backup can be read, and remove the oldest beyond what is kept",
		Example: "backup now",
		Long: `Has every core write what waits in its write-ahead log, and one core make a backup of all tables (mnesia:backup) in a dated file on its own host. Reads the whole file afterwards, counts its records table by table, and remembers its size and checksum for ` + "`backup verify`" + `. Then removes the oldest ones beyond the number that is kept; the newest that was verified always stays. Refused if the disk would have too little left.

Runbook: docs/runbooks/failover.md, "Regular backups". Its mnesia:backup("...$(date)...") takes the name literally, fails without the folder, and its success says nothing about what is in the file.`,
		Params: []actions.Param{{Name: "node", Kind: actions.Node, Optional: true, Doc: "the core that makes it; the first one that can, if left out", Example: c.anyNode(CoreRole)}},
		Plan:   c.planBackup,
	}
}

func (c *Cluster) backups() error {
	if c.opt.Backups == nil {
		return actions.Errorf("no-store", "irisops has nowhere to remember backups.")
	}
	return nil
}

// backupNode is the core that is to make the backup.
func (c *Cluster) backupNode(ctx context.Context, target string) (*visit, error) {
	if target == "" {
		return c.keeper(ctx)
	}
	nodes, err := c.Select(target)
	if err != nil {
		return nil, err
	}
	if len(nodes) != 1 || nodes[0].Role != CoreRole {
		return nil, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("%q is not one core, and only cores run Mnesia.", cut(target, 64)), Hint: "`backup now` alone takes the first core that can."}
	}
	return c.visit(nodes[0]), nil
}

// backupDir is where the node's backups go.
func (c *Cluster) backupDir(n Node) string {
	if c.opt.Backup.Dir != "" {
		return c.opt.Backup.Dir
	}
	return path.Join(n.Dir, "backups")
}

// room is how much is free where the file is to go, and how much is about to be
// written: what the tables take in memory.
func (v *visit) room(ctx context.Context, dir string) (free uint64, needs uint64, err error) {
	if free, err = v.free(ctx, dir); err != nil {
		return 0, 0, err
	}
	names, err := v.tables(ctx)
	if err != nil {
		return 0, 0, err
	}
	word, err := v.number(ctx, "erlang", "system_info", term.Atom("wordsize"))
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		words, err := v.numberAgain(ctx, "mnesia", "table_info", term.Atom(name), term.Atom("memory")) // a name that the node gave
		if err != nil {
			return 0, 0, err
		}
		needs += uint64(max(0, words*word))
	}
	return free, needs, nil
}

// free is what the disk has left that the folder is on, or would be.
func (v *visit) free(ctx context.Context, dir string) (uint64, error) {
	m, ok := v.c.host.(Machine)
	if !ok {
		return 0, actions.Errorf(actions.CodeNotHere, "Nothing here can look at the machine %s.", hostOf(v.n))
	}
	var last error
	for at := dir; ; at = path.Dir(at) {
		n := v.n
		n.Dir = at
		f, err := m.Facts(ctx, n)
		if err == nil && f.Disk != nil {
			return f.Disk.Free, nil
		}
		if last == nil {
			last = err
		}
		if at == "/" || at == "." {
			if last == nil {
				last = fmt.Errorf("the disk of %s cannot be looked at", dir)
			}
			return 0, last
		}
	}
}

func (c *Cluster) tooFull(dir string, free, needs uint64) error {
	if free >= needs+c.opt.Backup.MinFree {
		return nil
	}
	return &actions.Error{Code: actions.CodeDiskFull,
		Text: fmt.Sprintf("The disk of %s has %s free; a backup takes up to %s, and %s have to stay free. Nothing was done.", dir, size(free), size(needs), size(c.opt.Backup.MinFree)),
		Hint: "Make room there, or set another folder under `backup:` in the config."}
}

func (c *Cluster) planBackup(ctx context.Context, req actions.Request) (actions.Plan, error) {
	if err := c.backups(); err != nil {
		return actions.Plan{}, err
	}
	id, node, file := req.Args[boundID], req.Args[boundNode], req.Args[boundPath]
	p := actions.Plan{Class: actions.Do, Why: "it writes a file, and deletes backups beyond those that are kept"}
	if req.Agreed == 0 {
		asking, cancel := context.WithTimeout(ctx, 2*c.opt.Full)
		defer cancel()
		v, err := c.backupNode(asking, node)
		if err != nil {
			return p, err
		}
		if err := v.answers(asking); err != nil {
			return p, c.failure(err, "Say `diagnose`.", "%s cannot make a backup: it %s", v.n.Short, c.silence(v.n, err))
		}
		if state, err := v.mnesiaRuns(asking); err != nil || state != "yes" {
			return p, c.failure(err, "Say `diagnose mnesia`.", "%s cannot make a backup: Mnesia does not run there (%s).", v.n.Short, state)
		}
		if id == "" {
			id, node = backup.NewID(v.n.Short, req.Now), v.n.Short
			file = path.Join(c.backupDir(v.n), c.Name+"-"+id+backupFile)
		}
		free, needs, err := v.room(asking, path.Dir(file))
		if err != nil {
			return p, c.failure(err, "Nothing was done.", "Whether there is room for a backup on %s cannot be seen: %s", hostOf(v.n), c.mask.err(err))
		}
		if err := c.tooFull(path.Dir(file), free, needs); err != nil {
			return p, err
		}
		p.Preview = []string{fmt.Sprintf("At most about %s, and %s are free on that disk of %s.", size(needs), size(free), hostOf(v.n))}
		known, err := c.opt.Backups.Backups(c.Name)
		if err != nil {
			return p, err
		}
		// With this one there is one more.
		next := append(known, backup.Backup{ID: id, Cluster: c.Name, At: req.Now, Verified: req.Now})
		for _, b := range backup.Surplus(next, c.Name, c.opt.Backup.Keep) {
			p.Preview = append(p.Preview, fmt.Sprintf("Removes %s of %s: %s on %s", b.ID, c.when(b.At), b.Path, b.Node))
		}
	}
	nodes, err := c.Select(node)
	if err != nil {
		return p, err
	}
	n := nodes[0]
	p.Title, p.Targets = "Back up "+n.Short, []string{c.Name + "/backups", n.Key()}
	p.Bound = actions.Args{boundID: id, boundNode: node, boundPath: file}
	made := backup.Backup{ID: id, Cluster: c.Name, Node: n.Short, Path: file, By: req.By, At: req.Now.UTC()}
	p.Steps = []actions.Step{c.makeStep(n, made), c.readStep(n, made), c.tidyStep()}
	return p, nil
}

// makeStep writes the file. What Mnesia has not finished has another name.
func (c *Cluster) makeStep(n Node, b backup.Backup) actions.Step {
	return actions.Step{
		Name:     "back up " + n.Short,
		Describe: fmt.Sprintf("iris_durable_batcher:force_flush(), then mnesia:backup(%q) on %s", b.Path, n.Short),
		Timeout:  reading,
		Perform: func(ctx context.Context) (string, error) {
			v := c.visit(n)
			free, needs, err := v.room(ctx, path.Dir(b.Path))
			if err != nil {
				return "", err
			}
			if err := c.tooFull(path.Dir(b.Path), free, needs); err != nil {
				return "", err
			}
			if there, err := v.fileSize(ctx, b.Path); err != nil || there > 0 {
				return "", c.failure(err, "Ask once more: it has another name then.", "%s is there already, or cannot be looked at; it was left as it is.", b.Path)
			}
			notes := c.flush(ctx)
			if err := v.did(ctx, "filelib", "ensure_dir", term.Text(b.Path)); err != nil {
				return "", c.failure(err, "Make it, writable for IRIS, or set another under `backup:` in the config.", "The folder %s cannot be made on %s: %s", path.Dir(b.Path), hostOf(n), c.mask.err(err))
			}
			if err := v.did(ctx, "mnesia", "backup", term.Text(b.Path)); err != nil {
				return strings.Join(notes, " "), c.failure(err, "Is there room, and may IRIS write there?", "Mnesia on %s made no backup: %s", n.Short, c.mask.err(err))
			}
			// People's messages are in it.
			if err := v.did(ctx, "file", "change_mode", term.Text(b.Path), int64(0o600)); err != nil {
				notes = append(notes, "Its mode could not be set, so that others on that host may read it.")
			}
			return strings.Join(notes, " "), nil
		},
		Check: func(ctx context.Context) (string, error) {
			n, err := c.visit(n).fileSize(ctx, b.Path)
			if err != nil {
				return "", err
			}
			if n == 0 {
				return "", fmt.Errorf("there is no file %s, or nothing is in it", b.Path)
			}
			return fmt.Sprintf("%s, %s", b.Path, size(uint64(n))), nil
		},
	}
}

// readStep reads the file and remembers what is in it.
func (c *Cluster) readStep(n Node, b backup.Backup) actions.Step {
	return actions.Step{
		Name:     "read it back",
		Describe: "mnesia:traverse_backup of the whole file, its checksum, and every table of Mnesia in it; then it is remembered as " + b.ID,
		Timeout:  reading,
		Perform: func(ctx context.Context) (string, error) {
			v := c.visit(n)
			in, err := v.readBackup(ctx, b.Path)
			if err != nil {
				return "", err
			}
			names, err := v.tables(ctx)
			if err != nil {
				return "", err
			}
			if missing := slices.DeleteFunc(names, func(t string) bool { return slices.Contains(in.tables, t) }); len(missing) > 0 {
				return "", fmt.Errorf("it lacks the tables %s", listed(missing))
			}
			b.Bytes, b.Sum, b.Records, b.Verified = in.bytes, in.sum, in.records, time.Now().UTC().Round(0)
			if err := c.opt.Backups.KeepBackup(ctx, b); err != nil {
				return "", err
			}
			return fmt.Sprintf("%s: %s, %s", b.ID, size(uint64(b.Bytes)), recordsOf(b.Records)), nil
		},
		Check: func(context.Context) (string, error) {
			if b, err := c.backupOf(b.ID); err != nil || !b.Good() {
				return "", fmt.Errorf("%s is not remembered as verified: %w", b.ID, err)
			}
			return "", nil
		},
	}
}

// tidyStep removes what is too much. A node that cannot be asked keeps its own.
func (c *Cluster) tidyStep() actions.Step {
	return actions.Step{
		Name:     "remove the oldest",
		Describe: fmt.Sprintf("file:delete of what is beyond the newest %d; never the newest verified one", c.opt.Backup.Keep),
		Timeout:  reading,
		Perform: func(ctx context.Context) (string, error) {
			all, err := c.opt.Backups.Backups(c.Name)
			if err != nil {
				return "", err
			}
			var removed, left []string
			for _, b := range backup.Surplus(all, c.Name, c.opt.Backup.Keep) {
				if err := c.remove(ctx, b); err != nil {
					left = append(left, fmt.Sprintf("%s (%s)", b.ID, c.mask.err(err)))
					continue
				}
				removed = append(removed, b.ID)
			}
			seen := "nothing to remove"
			if len(removed) > 0 {
				seen = "removed " + listed(removed)
			}
			if len(left) > 0 {
				seen += "; not removed: " + listed(left)
			}
			return seen, nil
		},
	}
}

// remove deletes the file that was remembered, under exactly its name.
func (c *Cluster) remove(ctx context.Context, b backup.Backup) error {
	nodes, err := c.Select(b.Node)
	if err != nil || len(nodes) != 1 {
		return fmt.Errorf("%s is not in the config any more", b.Node)
	}
	v := c.visit(nodes[0])
	there, err := v.fileSize(ctx, b.Path)
	if err != nil {
		return err
	}
	if there > 0 {
		if err := v.did(ctx, "file", "delete", term.Text(b.Path)); err != nil {
			return err
		}
	}
	b.Removed = time.Now().UTC().Round(0)
	return c.opt.Backups.KeepBackup(ctx, b)
}

func (c *Cluster) backupOf(id string) (backup.Backup, error) {
	if err := c.backups(); err != nil {
		return backup.Backup{}, err
	}
	if !backup.IDs.MatchString(id) {
		return backup.Backup{}, &actions.Error{Code: "bad-id", Text: fmt.Sprintf("%q is not the id of a backup.", cut(id, 80)), Hint: "`backup list` names them; they look like B-20260301T031500-core."}
	}
	all, err := c.opt.Backups.Backups(c.Name)
	if err != nil {
		return backup.Backup{}, err
	}
	i := slices.IndexFunc(all, func(b backup.Backup) bool { return b.ID == id })
	if i < 0 {
		return backup.Backup{}, &actions.Error{Code: "no-such-backup", Text: fmt.Sprintf("%s has no backup %s.", c.Name, id), Hint: "`backup list` names them."}
	}
	return all[i], nil
}

// did calls a function that answers ok.
func (v *visit) did(ctx context.Context, module, function string, args ...term.Term) error {
	t, err := v.again(ctx, module, function, args...)
	if err != nil || t == term.Atom("ok") {
		return err
	}
	return fmt.Errorf("%s:%s answers %s", module, function, term.Outline(t, 80))
}

// fileSize is 0 for a file that is not there.
func (v *visit) fileSize(ctx context.Context, file string) (int64, error) {
	return v.numberAgain(ctx, "filelib", "file_size", term.Text(file))
}

// contents are what a backup holds.
type contents struct {
	bytes   int64
	sum     string
	tables  []string
	records map[string]int64
}

// readBackup reads the whole file, on its host. Mnesia need not run there.
func (v *visit) readBackup(ctx context.Context, file string) (contents, error) {
	var in contents
	// A node that does not answer says nothing of the file.
	unreadable := func(err error) error {
		if code := actions.CodeOf(err); code != "" && code != actions.CodeBadRPC {
			return v.c.failure(err, "Say `diagnose`.", "%s cannot be read on %s now: %s", file, hostOf(v.n), v.c.mask.err(err))
		}
		return &actions.Error{Code: codeUnreadable, Err: err, Text: "it cannot be read back: " + v.c.mask.err(err)}
	}
	t, err := v.c.eval(ctx, v.n.Name, fingerprint, binding{"File", term.Text(file)})
	if err != nil {
		return in, unreadable(err)
	}
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return in, unexpected(t)
	}
	sum, isSum := pair[1].([]byte)
	if in.bytes, ok = term.AsInt(pair[0]); !ok || !isSum {
		return in, unexpected(t)
	}
	in.sum = hex.EncodeToString(sum)
	if t, err = v.c.eval(ctx, v.n.Name, traverse, binding{"File", term.Text(file)}); err != nil {
		return in, unreadable(err)
	}
	reply, ok := t.(term.Tuple)
	if !ok || len(reply) != 2 || reply[0] != term.Atom("ok") {
		return in, unreadable(fmt.Errorf("mnesia:traverse_backup answers %s", term.Outline(t, 120)))
	}
	found, ok := reply[1].(term.Tuple)
	if !ok || len(found) != 2 {
		return in, unexpected(t)
	}
	if in.tables, err = atoms(found[0]); err != nil {
		return in, err
	}
	counts, ok := found[1].(term.Map)
	if !ok {
		return in, unexpected(t)
	}
	in.records = map[string]int64{}
	for _, p := range counts {
		table, ok1 := p.Key.(term.Atom)
		n, ok2 := term.AsInt(p.Value)
		if !ok1 || !ok2 {
			return in, unexpected(t)
		}
		in.records[string(table)] = n
	}
	return in, nil
}

// recordsOf is "12 records (offline_msg 10, user_meta 2)".
func recordsOf(counts map[string]int64) string {
	var parts []string
	var all int64
	for table, n := range counts {
		all += n
		parts = append(parts, fmt.Sprintf("%s %s", table, grouped(n)))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "no records"
	}
	return fmt.Sprintf("%s (%s)", plural64(all, "record"), strings.Join(parts, ", "))
}
