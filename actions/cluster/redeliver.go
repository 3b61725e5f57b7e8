package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// mostHandedOver bounds the messages of one redelivery. A connection of IRIS
// keeps 1,000 that the client has not acknowledged, and puts older ones back
// among the offline messages.
const mostHandedOver = 500

// boundEdge is the edge through which a plan delivers.
const boundEdge = "edge"

func (c *Cluster) messagesRedeliver() actions.Action {
	return actions.Action{
		Name:    "messages redeliver",
		Summary: "Deliver a user's waiting messages now, through the edge it is connected to",
		Example: "messages redeliver alice",
		Long: `For a user who is connected and whose messages wait all the same. Exports the records first. Then, oldest first and record by record: sends each message in it to the user's connection on its edge, sees that the connection has taken them, and deletes that record. A record can hold a list of messages; each is sent by itself, because a list would end the connection, and on IRIS every other one of that edge with it. Records that hold anything but messages are left. At most ` + grouped(mostHandedOver) + ` messages in one go.
For a user who is not connected there is nothing to do: delivery happens at the next login.

What the client does not acknowledge within ten seconds IRIS puts back among the waiting messages. If the connection ends in the middle, the record under way can come twice; none is lost.

` + whichRecords + `

Runbook: ` + delivery.String() + `, "Force redeliver". Its iris_offline_storage:redeliver/1 does not exist.`,
		Params: []actions.Param{mailUser, mailDeep},
		Plan:   c.planRedeliver,
	}
}

// session is a user's connection.
type session struct {
	n   Node
	pid term.Pid
}

// session finds the user's connection on one edge; ok is false if there is none
// that lives.
func (v *visit) session(ctx context.Context, user string) (s session, ok bool, err error) {
	rows, there, err := v.rows(ctx, "local_presence_v2", []byte(user))
	if err != nil || !there || len(rows) == 0 {
		return s, false, err
	}
	row, isRow := rows[0].(term.Tuple)
	if !isRow || len(row) < 2 {
		return s, false, unexpected(rows)
	}
	pid, isPid := row[1].(term.Pid)
	if !isPid {
		return s, false, unexpected(rows)
	}
	alive, err := v.again(ctx, "erlang", "is_process_alive", pid)
	if err != nil {
		return s, false, err
	}
	return session{v.n, pid}, alive == term.Atom("true"), nil
}

// sessions asks every edge. unasked are the edges that did not answer.
func (c *Cluster) sessions(ctx context.Context, user string) (all []session, unasked []string) {
	type answer struct {
		s       session
		ok      bool
		unasked string
	}
	for _, a := range each(c.ByRole(EdgeRole), func(n Node) answer {
		v := c.visit(n)
		err := v.answers(ctx)
		var a answer
		if err == nil {
			a.s, a.ok, err = v.session(ctx, user)
		}
		if err != nil {
			a.unasked = n.Short + " " + c.silence(n, err)
		}
		return a
	}) {
		if a.ok {
			all = append(all, a.s)
		}
		if a.unasked != "" {
			unasked = append(unasked, a.unasked)
		}
	}
	return all, unasked
}

// offline is the answer where the user is connected nowhere.
func (h handled) offline(unasked []string) error {
	name := spokenUser(h.user)
	e := &actions.Error{Code: "not-connected", Text: fmt.Sprintf("%s is connected to no edge: %s wait, and are delivered at the next login. Nothing was done.", name, plural(h.Messages, "message")),
		Hint: "`presence " + name + "` shows what each node knows."}
	if len(unasked) > 0 {
		e.Text = fmt.Sprintf("%s is connected to no edge that could be asked (not asked: %s). %s wait; delivery happens at the next login. Nothing was done.", name, listed(unasked), plural(h.Messages, "message"))
	}
	if n := h.orphans(); n > 0 {
		e.Text += fmt.Sprintf(" But %s lie in buckets that no login reads (the user's count is %d): those wait for ever.", plural(n, "record"), h.count)
		e.Hint = fmt.Sprintf("Say it again while %s is connected.", name)
	}
	return e
}

func (c *Cluster) planRedeliver(ctx context.Context, req actions.Request) (actions.Plan, error) {
	h, err := c.handle(ctx, req, "redeliver")
	if err != nil {
		return actions.Plan{}, err
	}
	name, edge := spokenUser(h.user), req.Args[boundEdge]
	p := actions.Plan{Class: actions.Do, Why: "the messages go to the user they are for", Bound: h.bind(),
		Targets: append([]string{c.mailTarget(h.user)}, c.coreKeys()...)}
	if !h.agreed {
		asking, cancel := context.WithTimeout(ctx, c.opt.Diagnose)
		all, unasked := c.sessions(asking, h.user)
		cancel()
		if len(all) == 0 {
			return actions.Plan{}, h.offline(unasked)
		}
		if edge == "" {
			edge = all[0].n.Short
		}
		if !slices.ContainsFunc(all, func(s session) bool { return s.n.Short == edge }) {
			return actions.Plan{}, &actions.Error{Code: "changed", Text: fmt.Sprintf("%s was connected to %s when this was asked for, and is now connected to %s. Nothing was done.", name, edge, all[0].n.Short),
				Hint: "Ask once more: `messages redeliver " + name + "`."}
		}
		warnings, err := h.v.inStep(ctx)
		if err != nil {
			return actions.Plan{}, err
		}
		p.Preview = append(warnings, h.preview(c)...)
		if len(all) > 1 {
			var edges []string
			for _, s := range all {
				edges = append(edges, s.n.Short)
			}
			p.Preview = append(p.Preview, fmt.Sprintf("%s has connections to %s; delivered is through %s only.", name, listed(edges), edge))
		}
		if odd := oddOnes(h.holding.records); odd > 0 {
			p.Preview = append(p.Preview, fmt.Sprintf("%s hold something that is no message; they stay.", plural(odd, "record")))
		}
		if h.Messages > mostHandedOver {
			p.Preview = append(p.Preview, fmt.Sprintf("At most %d messages go in one run, the oldest first; the rest stays for the next one.", mostHandedOver))
		}
		p.Preview = append(p.Preview, "If the client did read some of them before, it reads them twice. Undo of the deletion: messages restore "+h.id)
	}
	p.Bound[boundEdge] = edge
	nodes, err := c.Select(edge)
	if err != nil {
		return actions.Plan{}, err
	}
	// An edge that is stopped meanwhile takes along what a connection has taken and
	// its client has not acknowledged yet.
	p.Targets = append(p.Targets, nodes[0].Key())
	p.Title = fmt.Sprintf("Redeliver %s of %s through %s", plural(h.records, "record"), name, edge)
	p.Steps = []actions.Step{c.exportStep(h, req, "messages redeliver"), c.deliverStep(h, edge)}
	return p, nil
}

func oddOnes(records []record) (n int) {
	for _, r := range records {
		if r.odd {
			n++
		}
	}
	return n
}

// deliverStep sends and deletes record by record, so that a crash repeats one of
// them at most, and loses none.
func (c *Cluster) deliverStep(h handled, edge string) actions.Step {
	name := spokenUser(h.user)
	return actions.Step{
		Name:     "deliver through " + edge,
		Describe: fmt.Sprintf("{deliver_msg, Message} to the connection of %s for each message, then mnesia:dirty_delete_object of its record", name),
		Timeout:  handling,
		Perform: func(ctx context.Context) (string, error) {
			e, now, err := c.keptAndHeld(ctx, h)
			if err != nil {
				return "", err
			}
			nodes, err := c.Select(edge)
			if err != nil {
				return "", err
			}
			s, ok, err := c.visit(nodes[0]).session(ctx, h.user)
			if err != nil {
				return "", c.failure(err, "Say `diagnose`.", "%s cannot be asked: %s", edge, c.mask.err(err))
			}
			if !ok {
				return "", &actions.Error{Code: "not-connected", Text: fmt.Sprintf("%s is not connected to %s any more. Nothing was sent.", name, edge), Hint: "The messages are delivered at the next login."}
			}
			sent, records := 0, 0
			due := now.among(nextToGo(e.records))
			for i, r := range due {
				taken, err := c.handOver(ctx, s, r.messages)
				if err != nil || !taken {
					why := "its connection ended or did not answer"
					if err != nil {
						why = c.mask.err(err)
					}
					return fmt.Sprintf("%s took %s of %s", name, plural(sent, "message"), plural(records, "record")),
						&actions.Error{Code: "not-taken", Err: err, Text: fmt.Sprintf("%s stay: %s. The first of them may have been sent, and come twice.", plural(len(due)-i, "record"), why),
							Hint: "They are delivered at the next login."}
				}
				if err := now.v.apply(ctx, erase, []record{r}); err != nil {
					return fmt.Sprintf("%s took %s", name, plural(sent+len(r.messages), "message")), c.halfway(err, now.v, "deleted", h.id)
				}
				sent, records = sent+len(r.messages), records+1
			}
			seen := fmt.Sprintf("%s took %s of %s on %s (%s), and these records are deleted", name, plural(sent, "message"), plural(records, "record"), edge, s.pid.Text)
			if gone := len(nextToGo(e.records)) - len(due); gone > 0 {
				seen += fmt.Sprintf("; %s had gone before", plural(gone, "record"))
			}
			return seen, nil
		},
		Check: func(ctx context.Context) (string, error) {
			e, now, err := c.keptAndHeld(ctx, h)
			if err != nil {
				return "", err
			}
			meant := nextToGo(e.records)
			if left := now.among(meant); len(left) > 0 {
				return "", fmt.Errorf("%s that should have gone are still there", plural(len(left), "record"))
			}
			seen := "none of them waits any more. What the client does not acknowledge comes back in about ten seconds"
			if n := e.Records - len(meant); n > 0 {
				seen += fmt.Sprintf("; left for the next run, or without messages in them: %s", plural(n, "record"))
			}
			return seen, nil
		},
	}
}

// nextToGo are the records that one run delivers, the oldest first.
func nextToGo(records []record) []record {
	var next []record
	messages := 0
	for _, r := range inTime(records) {
		if r.odd {
			continue
		}
		if len(next) > 0 && messages+len(r.messages) > mostHandedOver {
			break
		}
		next, messages = append(next, r), messages+len(r.messages)
	}
	return next
}

// handOver sends the messages of one record, and says whether the connection has
// taken them.
func (c *Cluster) handOver(ctx context.Context, s session, messages [][]byte) (bool, error) {
	list := make(term.List, len(messages))
	for i, m := range messages {
		list[i] = m
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.opt.Call)
	defer cancel()
	t, err := c.eval(ctx, s.n.Name, handOver, binding{"Pid", s.pid}, binding{"Messages", list}, binding{"Millis", int64(c.opt.Call / time.Millisecond)})
	if err != nil {
		return false, err
	}
	taken, ok := term.AsBool(t)
	if !ok {
		return false, unexpected(t)
	}
	return taken, nil
}
