package cluster

import (
	"context"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// busy is one process among the busiest.
type busy struct {
	mailbox, memory int64
	pid, name, does string
}

// known is how people know the process.
func (b busy) known() string {
	switch {
	case b.name != "":
		return b.name
	case b.does != "":
		return b.pid + " (" + b.does + ")"
	}
	return b.pid
}

// top are the busiest processes of a node.
type top struct {
	count             int64
	whole             bool // all processes were looked at
	mailboxes, memory []busy
}

const topShown = 5

func (v *visit) top(ctx context.Context) (top, error) {
	t, err := v.c.eval(ctx, v.n.Name, busiest, binding{"Most", v.c.opt.Bounds.MostProcesses}, binding{"Top", topShown})
	if err != nil {
		return top{}, err
	}
	tuple, ok := t.(term.Tuple)
	if !ok || len(tuple) != 4 {
		return top{}, unexpected(t)
	}
	var out top
	if out.count, ok = term.AsInt(tuple[0]); !ok {
		return top{}, unexpected(t)
	}
	if out.whole, ok = term.AsBool(tuple[1]); !ok {
		return top{}, unexpected(t)
	}
	for i, into := range []*[]busy{&out.mailboxes, &out.memory} {
		list, ok := term.AsList(tuple[2+i])
		if !ok {
			return top{}, unexpected(t)
		}
		for _, e := range list {
			row, ok := e.(term.Tuple)
			if !ok || len(row) != 5 {
				return top{}, unexpected(t)
			}
			var b busy
			var ok1, ok2, ok3 bool
			b.mailbox, ok1 = term.AsInt(row[0])
			b.memory, ok2 = term.AsInt(row[1])
			b.pid, ok3 = term.AsString(row[2])
			name, ok4 := row[3].(term.Atom)
			does, ok5 := row[4].(term.Atom)
			if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
				return top{}, unexpected(t)
			}
			b.name, b.does = string(name), string(does)
			*into = append(*into, b)
		}
	}
	return out, nil
}

// checkMailboxes looks at all processes where there are not too many, at the
// registered ones (mnesia_tm, mnesia_locker, batchers, routers, rex ...) always.
var checkMailboxes = check{
	name: "mailboxes", asks: "does a process fall behind its messages?", silence: actions.Unknown, cost: walk,
	deep: func(ctx context.Context, v *visit) Finding {
		all, err := v.top(ctx)
		if err != nil {
			return v.failed(err, "mailboxes")
		}
		who := fmt.Sprintf("of all %s processes", grouped(all.count))
		if !all.whole {
			who = fmt.Sprintf("of the registered processes (all %s are too many to look at)", grouped(all.count))
		}
		f := found(actions.OK, "%s, none has messages waiting", who)
		if len(all.mailboxes) > 0 && all.mailboxes[0].mailbox > 0 {
			worst := all.mailboxes[0]
			f = found(v.c.opt.Bounds.Mailbox.of(float64(worst.mailbox)), "%s has %s waiting, most %s", worst.known(), plural64(worst.mailbox, "message"), who)
		}
		f.fact = all
		if f.Result != actions.OK {
			f.Code = codeMailbox
			if worst := all.mailboxes[0]; strings.HasPrefix(worst.name, "mnesia_") || worst.does == "disk_log" { // its transaction log
				f.Code = codeOverload
			}
			return f.next("diagnose node " + v.n.Short)
		}
		return f
	},
}
