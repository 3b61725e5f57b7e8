package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// clock is when a node's clock was read.
type clock struct {
	otp    string
	ahead  time.Duration // of this machine's clock
	within time.Duration // how exact that is: half of the round trip
	name   string
}

var checkClock = check{
	name: "clock", asks: "do the clocks of all nodes agree, and their Erlang releases?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		t, err := v.ask(ctx, "erlang", "system_info", term.Atom("otp_release"))
		if err != nil {
			return v.failed(err, "otp_release")
		}
		otp, ok := term.AsString(t)
		if _, err := strconv.Atoi(otp); !ok || err != nil {
			return v.failed(unexpected(t), "otp_release")
		}
		begin := time.Now()
		ms, err := v.numberAgain(ctx, "os", "system_time", term.Atom("millisecond"))
		if err != nil {
			return v.failed(err, "clock")
		}
		took := time.Since(begin)
		k := clock{otp: otp, ahead: time.UnixMilli(ms).Sub(begin.Add(took / 2)), within: took/2 + time.Millisecond, name: v.n.Short}
		f := found(actions.OK, "OTP %s, clock %s of irisops's (within %s)", otp, offset(k.ahead), spoken(k.within))
		f.fact, f.Mark = k, "OTP "+otp
		return f
	},
	join: func(c *Cluster, fs []*Finding) {
		var all []clock
		for _, f := range fs {
			if k, ok := f.fact.(clock); ok {
				all = append(all, k)
			}
		}
		for _, f := range fs {
			mine, ok := f.fact.(clock)
			if !ok {
				continue
			}
			for _, other := range all {
				apart := (mine.ahead - other.ahead).Abs() - mine.within - other.within
				if level := c.opt.Bounds.Clock.of(apart.Seconds()); level != actions.OK {
					f.Result, f.Code = worse(f.Result, level), codeClock
					f.Evidence += fmt.Sprintf("; %s from %s", offset(mine.ahead-other.ahead), other.name)
					f.Next = "on both hosts: is the time service (chrony, ntpd) running?"
				}
				if other.otp != mine.otp {
					f.Result = worse(f.Result, actions.Warn)
					f.Evidence += fmt.Sprintf("; %s runs OTP %s", other.name, other.otp)
				}
			}
		}
	},
}

// offset is "12 ms ahead", "3 s behind".
func offset(d time.Duration) string {
	if d < 0 {
		return spoken(-d) + " behind"
	}
	return spoken(d) + " ahead"
}
