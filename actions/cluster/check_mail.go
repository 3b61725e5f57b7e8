package cluster

import (
	"context"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// mail is what waits in offline_msg, and for whom.
type mail struct {
	records int64
	users   []waitingUser // those with the most, largest first
	keys    int64         // walked
	whole   bool          // these were all keys
}

type waitingUser struct {
	name    string
	records int64
}

// checkMail tells a user whose mail is stuck from a cluster that has much mail.
// It looks for whom only where there is enough to be stuck.
var checkMail = check{
	name: "offline messages", asks: "how many messages wait, and do most of them wait for one user?", silence: actions.Unknown, cost: walk, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		if f, ok := v.needMnesia(ctx); !ok {
			return f
		}
		m, err := v.mail(ctx, int64(v.c.opt.Bounds.StuckUser.Warn))
		if err != nil {
			return v.failed(err, "offline messages")
		}
		f := found(actions.OK, "%s waiting", plural64(m.records, "record"))
		f.fact = m
		if len(m.users) > 0 {
			u := m.users[0]
			f.Evidence += fmt.Sprintf(", %s of them for %s", grouped(u.records), spokenUser(u.name))
			if !m.whole {
				f.Evidence += fmt.Sprintf(" (among the first %s keys)", grouped(m.keys))
			}
			if f.Result = v.c.opt.Bounds.StuckUser.of(float64(u.records)); f.Result != actions.OK {
				f.Code = codeStuck
				return f.next("messages show " + spokenUser(u.name))
			}
		}
		return f
	},
}

// spokenUser is a user's name as it can be typed, or quoted where it cannot.
func spokenUser(name string) string {
	if userName.MatchString(name) {
		return name
	}
	return fmt.Sprintf("%q", cut(name, 64))
}

// mail counts the records, and from so many on looks for whom they are.
func (v *visit) mail(ctx context.Context, from int64) (mail, error) {
	n, there, err := v.etsSize(ctx, "offline_msg")
	if err != nil {
		return mail{}, err
	}
	if !there {
		return mail{}, actions.Errorf(actions.CodeUndef, "This core holds no copy of offline_msg.")
	}
	m := mail{records: n, whole: true}
	if n < from || n == 0 {
		return m, nil
	}
	t, err := v.c.eval(ctx, v.n.Name, fullest, binding{"Most", v.c.opt.Bounds.MostKeys}, binding{"Top", topShown})
	if err != nil {
		return m, err
	}
	tuple, ok := t.(term.Tuple)
	if !ok || len(tuple) != 3 {
		return m, unexpected(t)
	}
	var ok1, ok2 bool
	m.keys, ok1 = term.AsInt(tuple[0])
	m.whole, ok2 = term.AsBool(tuple[1])
	users, ok := term.AsList(tuple[2])
	if !ok || !ok1 || !ok2 {
		return m, unexpected(t)
	}
	for _, e := range users {
		pair, ok := e.(term.Tuple)
		if !ok || len(pair) != 2 {
			return m, unexpected(t)
		}
		name, ok1 := pair[0].([]byte)
		records, ok2 := term.AsInt(pair[1])
		if !ok1 || !ok2 {
			return m, unexpected(t)
		}
		m.users = append(m.users, waitingUser{strings.ToValidUTF8(string(name), "?"), records})
	}
	return m, nil
}
