package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

const (
	literalBuckets = 16      // IRIS also writes with this number, whatever the user's count
	mostBuckets    = 1_024   // of one user are looked at
	mostMeasured   = 500_000 // records of one bucket whose sizes are added up
	mostStrays     = 1_024   // buckets beyond, that --deep counts one by one
)

func (c *Cluster) messagesSize() actions.Action {
	return actions.Action{
		Name:    "messages size",
		Summary: "How many messages wait for users who are not there, and for whom most of them",
		Example: "messages size",
		Long: `For each core: records and memory of offline_msg, what still waits in the write-ahead log, and the users with the most records, from the first ` + grouped(int64(c.opt.Bounds.MostKeys)) + ` keys.

Runbook: ` + delivery.String() + `. Its mnesia:dirty_all_keys(offline_msg) answers with every key of the table, however many there are; it is not called.`,
		Look: c.lookMessagesSize,
	}
}

func (c *Cluster) lookMessagesSize(ctx context.Context, _ actions.Request) (actions.Result, error) {
	cores := c.ByRole(CoreRole)
	if len(cores) == 0 {
		return actions.Result{}, actions.Errorf(actions.CodeNoSuchNode, "%s has no core, and only cores keep messages.", c.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Full)
	defer cancel()
	type answer struct {
		Node    string           `json:"node"`
		Records int64            `json:"records"`
		Bytes   int64            `json:"bytes"`
		Pending int64            `json:"pending"`
		Users   map[string]int64 `json:"users,omitempty"`
		Error   string           `json:"error,omitempty"`

		mail mail
	}
	answers := each(cores, func(n Node) answer {
		a, v := answer{Node: n.Short, Pending: -1}, c.visit(n)
		var err error
		if err = v.answers(ctx); err == nil {
			a.mail, err = v.mail(ctx, 1)
		}
		if err != nil {
			a.Error = c.silence(n, err)
			return a
		}
		a.Records, a.Users = a.mail.records, map[string]int64{}
		for _, u := range a.mail.users {
			a.Users[u.name] = u.records
		}
		word, err1 := v.number(ctx, "erlang", "system_info", term.Atom("wordsize"))
		words, err2 := v.number(ctx, "ets", "info", term.Atom("offline_msg"), term.Atom("memory"))
		if err1 == nil && err2 == nil {
			a.Bytes = word * words
		}
		if t, err := v.ask(ctx, "iris_durable_batcher", "get_stats"); err == nil {
			if n, ok := intOf(t, "total_pending"); ok {
				a.Pending = n
			}
		}
		return a
	})
	r := actions.Result{Level: actions.OK, Data: answers}
	rows := actions.Section{Header: []string{"Core", "Records", "Memory", "Not in Mnesia yet"}}
	users := actions.Section{Title: "For whom", Header: []string{"Core", "User", "Records"}}
	var heads []string
	for _, a := range answers {
		if a.Error != "" {
			r.Level = actions.Unknown
			heads = append(heads, a.Node+" "+a.Error)
			continue
		}
		pending := "not available"
		if a.Pending >= 0 {
			pending = grouped(a.Pending)
		}
		rows.Rows = append(rows.Rows, []string{a.Node, grouped(a.Records), size(uint64(a.Bytes)), pending})
		heads = append(heads, fmt.Sprintf("%s waiting on %s", plural64(a.Records, "record"), a.Node))
		for _, u := range a.mail.users {
			users.Rows = append(users.Rows, []string{a.Node, spokenUser(u.name), grouped(u.records)})
		}
		if !a.mail.whole {
			users.Lines = append(users.Lines, fmt.Sprintf("%s: from the first %s keys only; there are more.", a.Node, grouped(a.mail.keys)))
		}
		if len(a.mail.users) > 0 && len(r.Next) == 0 {
			who := spokenUser(a.mail.users[0].name)
			r.Next = append(r.Next, actions.Next{Label: "Show " + who, Words: "messages show " + who})
		}
	}
	r.Headline = strings.Join(heads, "; ")
	for _, s := range []actions.Section{rows, users} {
		if len(s.Rows) > 0 {
			r.Sections = append(r.Sections, s)
		}
	}
	return r, nil
}

func (c *Cluster) messagesShow() actions.Action {
	return actions.Action{
		Name:    "messages show",
		Summary: "The messages that wait for one user, without their contents",
		Example: "messages show alice",
		Long: `Counts what waits for the user bucket by bucket: records, the messages in them (a record can hold a list), their size and age. Messages stay where they are, and their contents are not read. What the write-ahead log holds is written to Mnesia first, as IRIS itself does twice a second.

Runbook: ` + delivery.String() + `. Its mnesia:dirty_read(offline_msg, User) finds nothing: the key is {User, Bucket}. iris_core:retrieve_offline/1 deletes what it reads and is not called.
Looked at are the buckets from 0 to the user's count, and to 16 at least, because IRIS also writes with a literal 16. A login reads only those below the count. What lies in still others is found with --deep, which looks at the whole table.

The contents of messages never appear in a chat. --contents shows the beginnings of the first ` + fmt.Sprint(mostContents) + ` to an approver or owner, on their own connection to the socket only (irisops ctl), and inside an open incident, whose timeline tells who saw them.`,
		Params: []actions.Param{
			{Name: "user", Kind: actions.Word, Doc: "the user's name, as it logs in", Example: "alice"},
			{Name: "deep", Kind: actions.Bool, Flag: true, Doc: "look through the whole table for messages in buckets that nobody reads"},
			contentsParam,
		},
		Look: c.lookMessagesShow,
	}
}

// Bucket is what waits for a user in one bucket.
type Bucket struct {
	Number   int64     `json:"bucket"`
	Records  int64     `json:"records"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Odd      int64     `json:"odd,omitempty"` // records that hold neither a message nor a list of them
	Oldest   time.Time `json:"oldest,omitzero"`
	Newest   time.Time `json:"newest,omitzero"`
	Orphan   bool      `json:"orphan"`            // no login reads it
	Unsized  bool      `json:"unsized,omitempty"` // too many records to add up
}

// Mailbox is what waits for a user: the Data of messages show.
type Mailbox struct {
	User     string   `json:"user"`
	Node     string   `json:"node"` // the core that was asked
	Count    int64    `json:"bucket_count"`
	Deep     bool     `json:"deep"`
	Records  int64    `json:"records"`
	Messages int64    `json:"messages"`
	Bytes    int64    `json:"bytes"`
	Orphans  int64    `json:"orphans"` // records that no login reads
	Buckets  []Bucket `json:"buckets"`
	Notes    []string `json:"notes,omitempty"`

	// Contents are there only where they were asked for.
	Contents []Content `json:"contents,omitempty"`
}

func (c *Cluster) lookMessagesShow(ctx context.Context, req actions.Request) (actions.Result, error) {
	user := req.Args["user"]
	if user == "" {
		return actions.Result{}, &actions.Error{Code: "missing", Text: "Whose messages?", Hint: "For example: messages show alice."}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*c.opt.Full)
	defer cancel()
	box, err := c.mailbox(ctx, user, req.Args["deep"] == "true")
	if err != nil {
		return actions.Result{}, err
	}
	if req.Args[flagContents] == "true" {
		if box.Contents, err = c.contents(ctx, box); err != nil {
			return actions.Result{}, c.failure(err, "Say `diagnose messages`.", "The contents cannot be read on %s: %s", box.Node, c.mask.err(err))
		}
	}
	r := actions.Result{Level: actions.OK, Data: box}
	name := spokenUser(user)
	switch {
	case box.Records == 0:
		r.Headline = fmt.Sprintf("nothing waits for %s", name)
		if !box.Deep {
			r.Headline += " in the buckets that IRIS uses"
			r.Next = append(r.Next, actions.Next{Label: "Look deeper", Words: "messages show " + name + " --deep"})
		}
	default:
		r.Headline = fmt.Sprintf("%s: %s in %s, %s", name, plural64(box.Messages, "message"), plural64(box.Records, "record"), size(uint64(box.Bytes)))
		oldest := time.Time{}
		for _, b := range box.Buckets {
			if !b.Oldest.IsZero() && (oldest.IsZero() || b.Oldest.Before(oldest)) {
				oldest = b.Oldest
			}
		}
		if !oldest.IsZero() {
			r.Headline += ", the oldest " + spoken(max(0, time.Since(oldest))) + " old"
		}
		if box.Orphans > 0 {
			r.Level = actions.Warn
			r.Headline += fmt.Sprintf("; %s where no login reads them", plural64(box.Orphans, "record"))
		}
		r.Next = append(r.Next, actions.Next{Label: "Presence of " + name, Words: "presence " + name})
	}
	s := actions.Section{Header: []string{"Bucket", "Records", "Messages", "Size", "Oldest", "Newest", "Read by a login"}}
	for _, b := range box.Buckets {
		read := "yes"
		if b.Orphan {
			read = "no"
		}
		figures := []string{grouped(b.Messages), size(uint64(b.Bytes)), c.when(b.Oldest), c.when(b.Newest)}
		if b.Unsized {
			figures = []string{"not added up", "", "", ""}
		}
		s.Rows = append(s.Rows, append(append([]string{fmt.Sprint(b.Number), grouped(b.Records)}, figures...), read))
	}
	if len(s.Rows) > 0 {
		s.Folded = len(s.Rows) > 20
		r.Sections = append(r.Sections, s)
	}
	if len(box.Contents) > 0 {
		r.Sections = append(r.Sections, c.contentsSection(box))
	}
	r.Sections = append(r.Sections, actions.Section{Lines: append([]string{
		fmt.Sprintf("Seen on %s; the user's bucket count is %d.", box.Node, box.Count)}, box.Notes...)})
	return r, nil
}

func (c *Cluster) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(c.opt.People).Format("2006-01-02 15:04:05")
}

// keeper is the first core that answers and holds a copy of offline_msg.
func (c *Cluster) keeper(ctx context.Context) (*visit, error) {
	var silent []string
	for _, n := range c.ByRole(CoreRole) {
		v := c.visit(n)
		asking, cancel := context.WithTimeout(ctx, c.opt.Diagnose)
		err := v.answers(asking)
		there := false
		if err == nil {
			_, there, err = v.etsSize(asking, "offline_msg")
		}
		cancel()
		switch {
		case err != nil:
			silent = append(silent, n.Short+" "+c.silence(n, err))
		case there:
			return v, nil
		default:
			silent = append(silent, n.Short+" holds no copy of offline_msg")
		}
	}
	if len(silent) == 0 {
		silent = []string{c.Name + " has no core"}
	}
	return nil, &actions.Error{Code: actions.CodeHung, Text: "No core can be asked: " + strings.Join(silent, "; ") + ".", Hint: "Say `diagnose`."}
}

// flush has every core write what waits in its write-ahead log. It is what IRIS
// does twice a second; it returns what could not be flushed.
func (c *Cluster) flush(ctx context.Context) []string {
	notes := each(c.ByRole(CoreRole), func(n Node) string {
		ctx, cancel := c.brief(ctx)
		defer cancel()
		_, err := c.erlang.Call(ctx, n.Name, "iris_durable_batcher", "force_flush")
		switch {
		case actions.CodeOf(err) == actions.CodeUndef:
			return ""
		case err != nil:
			return fmt.Sprintf("%s could not be flushed first, so that messages of the last half second may be missing: it %s.", n.Short, c.silence(n, err))
		}
		return ""
	})
	return slices.DeleteFunc(notes, func(s string) bool { return s == "" })
}

func (c *Cluster) mailbox(ctx context.Context, user string, deep bool) (Mailbox, error) {
	box := Mailbox{User: user, Deep: deep}
	v, err := c.keeper(ctx)
	if err != nil {
		return box, err
	}
	box.Node = v.n.Short
	fail := func(err error) error {
		return c.failure(err, "Say `diagnose messages`.", "The messages of %s cannot be counted on %s: %s", spokenUser(user), v.n.Short, c.mask.err(err))
	}
	box.Notes = c.flush(ctx)
	name := []byte(user)
	box.Count, err = v.number(ctx, "iris_core", "get_bucket_count", name)
	switch {
	case actions.CodeOf(err) == actions.CodeUndef:
		box.Count = literalBuckets
		box.Notes = append(box.Notes, fmt.Sprintf("This IRIS has no bucket counts: %d buckets are looked at.", literalBuckets))
	case err != nil:
		return box, fail(err)
	}
	last := max(box.Count, literalBuckets)
	if last > mostBuckets {
		box.Notes = append(box.Notes, fmt.Sprintf("Only the first %d of %d buckets are looked at.", mostBuckets, last))
		last = mostBuckets
	}
	numbers := make([]int64, last)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	if deep {
		more, err := v.strays(ctx, name, last)
		if err != nil {
			return box, fail(err)
		}
		if len(more) > mostStrays {
			box.Notes = append(box.Notes, fmt.Sprintf("Messages lie in more than %d buckets beyond %d; the first of them are shown.", mostStrays, last-1))
			more = more[:mostStrays]
		}
		numbers = append(numbers, more...)
	}
	type seen struct {
		Bucket
		err error
	}
	for _, batch := range slices.Collect(slices.Chunk(numbers, 16)) {
		for _, s := range each(batch, func(i int64) seen {
			b, err := v.bucket(ctx, name, i)
			return seen{b, err}
		}) {
			if s.err != nil {
				return box, fail(s.err)
			}
			if s.Records == 0 {
				continue
			}
			if s.Orphan = s.Number >= box.Count; s.Orphan {
				box.Orphans += s.Records
			}
			box.Records, box.Messages, box.Bytes = box.Records+s.Records, box.Messages+s.Messages, box.Bytes+s.Bytes
			box.Buckets = append(box.Buckets, s.Bucket)
		}
	}
	return box, nil
}

// bucket counts one bucket: records first, which costs nothing, then what is in
// them.
func (v *visit) bucket(ctx context.Context, user []byte, i int64) (Bucket, error) {
	b := Bucket{Number: i}
	head := term.Tuple{anything, term.Tuple{user, i}, anything, anything}
	var err error
	if b.Records, err = v.numberAgain(ctx, "ets", "select_count", term.Atom("offline_msg"), pattern(head, term.List{})); err != nil || b.Records == 0 {
		return b, err
	}
	if b.Records > mostMeasured {
		b.Unsized = true
		return b, nil
	}
	t, err := v.c.eval(ctx, v.n.Name, waiting, binding{"User", user}, binding{"Bucket", i})
	if err != nil {
		return b, err
	}
	n, err := numbers(t, 8)
	if err != nil {
		return b, err
	}
	b.Records = n[0] + n[2] + n[5] // at the same moment as the rest
	b.Messages, b.Bytes, b.Odd = n[0]+n[3], n[1]+n[4], n[5]
	if n[6] > 0 {
		b.Oldest, b.Newest = time.UnixMilli(n[6]).UTC(), time.UnixMilli(n[7]).UTC()
	}
	return b, nil
}

// strays are the buckets from a number on in which messages of the user lie.
func (v *visit) strays(ctx context.Context, user []byte, from int64) ([]int64, error) {
	t, err := v.c.eval(ctx, v.n.Name, strays, binding{"User", user}, binding{"First", from}, binding{"Top", mostStrays + 1})
	if err != nil {
		return nil, err
	}
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return nil, unexpected(t)
	}
	list, ok := term.AsList(pair[1])
	if !ok {
		return nil, unexpected(t)
	}
	var buckets []int64
	for _, e := range list {
		if n, ok := term.AsInt(e); ok {
			buckets = append(buckets, n)
		}
	}
	return buckets, nil
}
