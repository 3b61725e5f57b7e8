package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
)

// handling bounds a step that reads or writes a user's records.
const handling = 10 * time.Minute

var (
	mailUser = actions.Param{Name: "user", Kind: actions.Word, Doc: "the user's name, as it logs in", Example: "alice"}
	mailDeep = actions.Param{Name: "deep", Kind: actions.Bool, Flag: true, Doc: "messages in buckets that nobody reads too: looks through the whole table"}
)

const whichRecords = `Meant are the records that are there when you ask, in the buckets from 0 to the user's count and to 16 at least; those in other buckets only with --deep. Messages that arrive later stay where they are. If what was shown is not there any more when it is agreed to, nothing is done.`

func (c *Cluster) messagesExport() actions.Action {
	return actions.Action{
		Name:    "messages export",
		Summary: "Keep a user's waiting messages in a file, to the byte",
		Example: "messages export alice",
		Long: `Reads the records that wait for the user and writes them to a file in irisops's own data folder, which only its own account can read. The file is read back and its checksums are tried. The messages stay where they are, and their contents are shown to nobody.
` + "`messages restore ID` puts the records of an export back.\n\n" + whichRecords,
		Params: []actions.Param{mailUser, mailDeep},
		Plan:   c.planExport,
	}
}

func (c *Cluster) messagesClear() actions.Action {
	return actions.Action{
		Name:    "messages clear",
		Summary: "Delete the messages that wait for a user, after exporting them",
		Example: "messages clear alice",
		Long: `Exports the records first, as messages export does, and then deletes exactly those: record by record, each one wholly given, so that nothing else goes with them. Looks afterwards that none of them is left. ` + "`messages restore ID` undoes it.\n\n" + whichRecords + `

Runbook: ` + delivery.String() + `, "Clear stuck messages". Its mnesia:dirty_delete(offline_msg, User) deletes nothing and looks like success: the key is {User, Bucket}.`,
		Params: []actions.Param{mailUser, mailDeep},
		Plan:   c.planClear,
	}
}

func (c *Cluster) messagesRestore() actions.Action {
	return actions.Action{
		Name:    "messages restore",
		Summary: "Put the records of an export back",
		Example: "messages restore M-20260301T031500-4f2a9c",
		Long: `Tries the checksums of the export, writes its records, and looks afterwards that every one is there to the byte. A record that is there already stays one. Messages that the user has got meanwhile come again: irisops cannot see what was read.
` + "`messages exports` lists what is kept.",
		Params: []actions.Param{{Name: "id", Kind: actions.Word, Doc: "the id of an export", Example: "M-20260301T031500-4f2a9c"}},
		Plan:   c.planRestore,
	}
}

func (c *Cluster) messagesExports() actions.Action {
	return actions.Action{
		Name:    "messages exports",
		Summary: "The exports of messages that irisops keeps",
		Example: "messages exports",
		Long:    "Lists the exports of this cluster, the newest first, and tries the checksums of each. Their contents are not shown. irisops deletes none of them by itself.",
		Params:  []actions.Param{{Name: "user", Kind: actions.Word, Optional: true, Doc: "only those of this user", Example: "alice"}},
		Look:    c.lookExports,
	}
}

// handled is what a plan about a user's records is made from.
type handled struct {
	bounds
	holding        // zero where an interrupted run is planned again
	id      string // of the export
	sum     string // of the records
	records int
	agreed  bool // an interrupted run is planned again
}

// handle looks which records are meant: now, or, where that was shown and agreed
// to before, whether they are still there.
func (c *Cluster) handle(ctx context.Context, req actions.Request, verb string) (handled, error) {
	if req.Args["user"] == "" {
		return handled{}, &actions.Error{Code: "missing", Text: "Whose messages?", Hint: "For example: messages " + verb + " alice."}
	}
	if err := c.keeps(); err != nil {
		return handled{}, err
	}
	b, err := boundsOf(req.Args)
	if err != nil {
		return handled{}, err
	}
	h := handled{bounds: b, id: req.Args[boundExport], sum: req.Args[boundSum], agreed: req.Agreed != 0}
	if h.records, err = strconv.Atoi(cmp.Or(req.Args[boundRecords], "0")); err != nil {
		return handled{}, err
	}
	if h.agreed {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*c.opt.Full)
	defer cancel()
	if h.holding, err = c.hold(ctx, b); err != nil {
		return h, err
	}
	name := spokenUser(b.user)
	switch {
	case h.sum != "" && h.sum != h.Sum:
		return h, &actions.Error{Code: "changed",
			Text: fmt.Sprintf("The messages of %s have changed since this was asked for: then %s, of them there are now %s. Nothing was done.", name, plural(h.records, "record"), plural(len(h.holding.records), "record")),
			Hint: fmt.Sprintf("Ask once more: `messages %s %s`.", verb, name)}
	case len(h.holding.records) == 0 && b.deep:
		return h, actions.Errorf("nothing-there", "Nothing waits for %s, in no bucket at all. Nothing was done.", name)
	case len(h.holding.records) == 0:
		return h, &actions.Error{Code: "nothing-there", Text: fmt.Sprintf("Nothing waits for %s in the buckets that IRIS uses. Nothing was done.", name),
			Hint: fmt.Sprintf("`messages show %s --deep` looks through the whole table.", name)}
	}
	if h.sum == "" {
		h.until, h.sum, h.records = h.newest(), h.Sum, len(h.holding.records)
		h.id = newExportID(h.sum, req.Now)
	}
	return h, nil
}

// bind is what agreeing to the plan binds.
func (h handled) bind() actions.Args {
	return actions.Args{boundExport: h.id, boundSum: h.sum, boundUntil: strconv.FormatInt(h.until, 10), boundRecords: strconv.Itoa(h.records)}
}

// target keeps two plans about the same user's messages apart.
func (c *Cluster) mailTarget(user string) string { return c.Name + "/messages of " + user }

// preview says what was found, as the rows of `messages show` do, in words.
func (h handled) preview(c *Cluster) []string {
	lines := slices.Clone(h.notes)
	if n := h.orphans(); n > 0 {
		lines = append(lines, fmt.Sprintf("Of them %s in buckets that no login reads (the user's count is %d).", plural(n, "record"), h.count))
	}
	if h.later > 0 {
		lines = append(lines, fmt.Sprintf("Newer than these are %s, which stay.", plural64(h.later, "record")))
	}
	return append([]string{fmt.Sprintf("%s, %s, %s, written %s, read on %s.", plural(len(h.holding.records), "record"), plural(h.Messages, "message"),
		size(uint64(h.Bytes)), c.span(h.holding.records), h.Node)}, lines...)
}

func (c *Cluster) planExport(ctx context.Context, req actions.Request) (actions.Plan, error) {
	h, err := c.handle(ctx, req, "export")
	if err != nil {
		return actions.Plan{}, err
	}
	p := actions.Plan{Title: fmt.Sprintf("Export %s of %s", plural(h.records, "record"), spokenUser(h.user)), Class: actions.Do,
		Why: "it writes people's messages to a file; nothing changes on the cluster", Targets: []string{c.mailTarget(h.user)}, Bound: h.bind()}
	if !h.agreed {
		p.Preview = append(h.preview(c), "Puts them back: messages restore "+h.id)
	}
	p.Steps = []actions.Step{c.exportStep(h, req, "messages export")}
	return p, nil
}

func (c *Cluster) planClear(ctx context.Context, req actions.Request) (actions.Plan, error) {
	h, err := c.handle(ctx, req, "clear")
	if err != nil {
		return actions.Plan{}, err
	}
	p := actions.Plan{Title: fmt.Sprintf("Clear %s of %s", plural(h.records, "record"), spokenUser(h.user)), Class: actions.Harm,
		Why: "it deletes messages that the user has not read", Targets: append([]string{c.mailTarget(h.user)}, c.coreKeys()...), Bound: h.bind()}
	if !h.agreed {
		warnings, err := h.v.inStep(ctx)
		if err != nil {
			return actions.Plan{}, err
		}
		p.Preview = append(append(warnings, h.preview(c)...), "Undo: messages restore "+h.id)
	}
	p.Steps = []actions.Step{c.exportStep(h, req, "messages clear"), c.eraseStep(h)}
	return p, nil
}

func (c *Cluster) coreKeys() []string {
	var keys []string
	for _, n := range c.ByRole(CoreRole) {
		keys = append(keys, n.Key())
	}
	return keys
}

// exportStep writes the file, and reads it back.
func (c *Cluster) exportStep(h handled, req actions.Request, whatFor string) actions.Step {
	return actions.Step{
		Name: "export " + plural(h.records, "record"),
		Describe: fmt.Sprintf("exactly these (sha256 %s...) to %s, readable by irisops's account only", h.sum[:min(12, len(h.sum))],
			c.opt.Exports.Path(h.id+exportSuffix)),
		Timeout: handling,
		Perform: func(ctx context.Context) (string, error) {
			now, err := c.hold(ctx, h.bounds)
			if err != nil {
				return "", err
			}
			if now.Sum != h.sum {
				return "", actions.Errorf("changed", "The messages of %s have changed since this was agreed to: then %s, of them there are now %s. Nothing was done.", spokenUser(h.user), plural(h.records, "record"), plural(now.Records, "record"))
			}
			e := now.Export
			e.ID, e.At, e.By, e.For = h.id, req.Now.UTC().Truncate(time.Second), req.By, whatFor
			file, err := e.encode()
			if err != nil {
				return "", err
			}
			if err := c.opt.Exports.Write(e.file(), file); actions.CodeOf(err) == "exists" {
				// Only an earlier try of this same step has written it.
				if old, err := c.kept(h.id); err != nil || old.Sum != h.sum {
					return "", fmt.Errorf("%s is there already, and it is not this export: %w", e.file(), err)
				}
			} else if err != nil {
				return "", err
			}
			return "", nil
		},
		Check: func(context.Context) (string, error) {
			e, err := c.kept(h.id)
			if err != nil {
				return "", err
			}
			if e.Sum != h.sum {
				return "", fmt.Errorf("the export %s holds other records", h.id)
			}
			return fmt.Sprintf("export %s: %s, %s, checksums tried", h.id, plural(e.Records, "record"), plural(e.Messages, "message")), nil
		},
	}
}

// eraseStep deletes what the export holds, and nothing else.
func (c *Cluster) eraseStep(h handled) actions.Step {
	return actions.Step{
		Name:     "delete " + plural(h.records, "record"),
		Describe: "mnesia:dirty_delete_object for each record in the export, then looks that none is left",
		Timeout:  handling,
		Perform: func(ctx context.Context) (string, error) {
			e, now, err := c.keptAndHeld(ctx, h)
			if err != nil {
				return "", err
			}
			there := now.among(e.records)
			if err := now.v.apply(ctx, erase, there); err != nil {
				return "", c.halfway(err, now.v, "deleted", h.id)
			}
			gone := ""
			if n := e.Records - len(there); n > 0 {
				gone = fmt.Sprintf("; %s had gone meanwhile: to the user, who logged in", plural(n, "record"))
			}
			return fmt.Sprintf("deleted %s on %s%s", plural(len(there), "record"), now.Node, gone), nil
		},
		Check: func(ctx context.Context) (string, error) {
			e, now, err := c.keptAndHeld(ctx, h)
			if err != nil {
				return "", err
			}
			if left := now.among(e.records); len(left) > 0 {
				return "", fmt.Errorf("%s of the export are still there", plural(len(left), "record"))
			}
			stay := ""
			if now.later > 0 {
				stay = fmt.Sprintf("; %s that came later stay", plural64(now.later, "record"))
			}
			return fmt.Sprintf("none of the export is left%s. Undo: messages restore %s", stay, h.id), nil
		},
	}
}

// halfway is an error after which some records may be changed and some not.
func (c *Cluster) halfway(err error, v *visit, how, id string) error {
	return c.failure(err, fmt.Sprintf("Look with `messages show`. The export %s holds all of them.", id), "Not all records were %s on %s: %s", how, v.n.Short, c.mask.err(err))
}

// keptAndHeld are the export and what is there of it now.
func (c *Cluster) keptAndHeld(ctx context.Context, h handled) (Export, holding, error) {
	e, err := c.kept(h.id)
	if err != nil {
		return e, holding{}, err
	}
	if e.Sum != h.sum {
		return e, holding{}, fmt.Errorf("the export %s holds other records", h.id)
	}
	now, err := c.hold(ctx, h.bounds)
	return e, now, err
}

func (c *Cluster) planRestore(ctx context.Context, req actions.Request) (actions.Plan, error) {
	id := strings.ToUpper(req.Args["id"])
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		id = id[:i] + strings.ToLower(id[i:])
	}
	e, err := c.kept(id)
	if err != nil {
		return actions.Plan{}, err
	}
	name := spokenUser(e.User)
	p := actions.Plan{Title: fmt.Sprintf("Restore %s of %s from %s", plural(e.Records, "record"), name, id), Class: actions.Do,
		Why: "it only adds messages", Targets: append([]string{c.mailTarget(e.User)}, c.coreKeys()...)}
	b := bounds{user: e.User, until: -1, deep: slices.ContainsFunc(e.records, func(r record) bool { return r.bucket < 0 || r.bucket >= literalBuckets })}
	if req.Agreed == 0 {
		ctx, cancel := context.WithTimeout(ctx, 10*c.opt.Full)
		defer cancel()
		now, err := c.hold(ctx, b)
		if err != nil {
			return actions.Plan{}, err
		}
		there := len(now.among(e.records))
		if there == e.Records {
			return actions.Plan{}, actions.Errorf("nothing-to-do", "All %s of %s are there already. Nothing was done.", plural(e.Records, "record"), id)
		}
		warnings, err := now.v.inStep(ctx)
		if err != nil {
			return actions.Plan{}, err
		}
		p.Preview = append(warnings, fmt.Sprintf("Made %s by %s for `%s`: %s, %s, written %s.", c.when(e.At), e.By, e.For, plural(e.Records, "record"), plural(e.Messages, "message"), c.span(e.records)))
		if there > 0 {
			p.Preview = append(p.Preview, fmt.Sprintf("%s of them are there already.", plural(there, "record")))
		}
		p.Preview = append(p.Preview, "What "+name+" has got of them meanwhile comes again at the next login.")
	}
	p.Steps = []actions.Step{{
		Name:     "restore " + plural(e.Records, "record"),
		Describe: fmt.Sprintf("mnesia:dirty_write for each record in %s (sha256 %s...), then looks that all are there to the byte", c.opt.Exports.Path(e.file()), e.Sum[:12]),
		Timeout:  handling,
		Perform: func(ctx context.Context) (string, error) {
			v, err := c.keeper(ctx)
			if err != nil {
				return "", err
			}
			if err := v.apply(ctx, putBack, e.records); err != nil {
				return "", c.halfway(err, v, "written", id)
			}
			return "written on " + v.n.Short, nil
		},
		Check: func(ctx context.Context) (string, error) {
			now, err := c.hold(ctx, b)
			if err != nil {
				return "", err
			}
			if n := len(now.among(e.records)); n < e.Records {
				return "", fmt.Errorf("%s of %d are not there; if %s logged in just now, they were delivered", plural(e.Records-n, "record"), e.Records, name)
			}
			return fmt.Sprintf("all %s are there to the byte", plural(e.Records, "record")), nil
		},
	}}
	return p, nil
}

func (c *Cluster) lookExports(_ context.Context, req actions.Request) (actions.Result, error) {
	if err := c.keeps(); err != nil {
		return actions.Result{}, err
	}
	names, err := c.opt.Exports.Names()
	if err != nil {
		return actions.Result{}, err
	}
	var all []Export
	r := actions.Result{Level: actions.OK}
	s := actions.Section{Header: []string{"Export", "User", "Records", "Messages", "Made", "By", "For"}}
	var damaged []string
	for _, name := range slices.Backward(names) { // their names begin with their time
		id, ok := strings.CutSuffix(name, exportSuffix)
		if !ok || !exportID.MatchString(id) {
			continue
		}
		e, err := c.kept(id)
		switch {
		case actions.CodeOf(err) == "other-cluster":
		case err != nil:
			damaged = append(damaged, c.mask.err(err))
		case req.Args["user"] == "" || req.Args["user"] == e.User:
			all = append(all, e)
			s.Rows = append(s.Rows, []string{e.ID, spokenUser(e.User), grouped(int64(e.Records)), grouped(int64(e.Messages)), c.when(e.At), e.By, e.For})
		}
	}
	r.Headline, r.Data = plural(len(all), "export")+" kept", all
	if u := req.Args["user"]; u != "" {
		r.Headline += " of " + spokenUser(u)
	}
	if len(damaged) > 0 {
		r.Level = actions.Warn
		r.Headline += "; " + plural(len(damaged), "file") + " cannot be used"
		r.Sections = append(r.Sections, actions.Section{Lines: damaged})
	}
	if len(s.Rows) > 0 {
		r.Sections = append(r.Sections, s)
		r.Next = []actions.Next{{Label: "Restore " + all[0].ID, Words: "messages restore " + all[0].ID}}
	}
	return r, nil
}
