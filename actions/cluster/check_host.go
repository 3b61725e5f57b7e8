package cluster

import (
	"context"
	"fmt"
	"strings"

	"irisops/actions"
)

// Codes of the machine, beside a full disk's and memory's.
const (
	codePortTaken = "port-taken" // another program holds the node's
	codeLoad      = "load"
	codeFiles     = "files" // processes, or file descriptors
)

// facts are the machine's, asked once a visit; an error where nobody can tell.
func (v *visit) facts(ctx context.Context) (HostFacts, error) {
	m, err := v.once(ctx, "host", func() (any, error) {
		m, ok := v.c.host.(Machine)
		if !ok {
			return nil, actions.Errorf(actions.CodeNotHere, "Nothing here can look at the machine %s.", hostOf(v.n))
		}
		return m.Facts(ctx, v.n)
	})
	if err != nil {
		return HostFacts{}, err
	}
	return m.(HostFacts), nil
}

// hostMemory is the machine's memory in bytes, where that is known.
func (v *visit) hostMemory(ctx context.Context) (int64, bool) {
	f, err := v.facts(ctx)
	if err != nil || f.Memory == nil || f.Memory.Total == 0 {
		return 0, false
	}
	return int64(f.Memory.Total), true
}

// checkHost is the runbook's top, free and df, for the machine where the node
// lives.
var checkHost = check{
	name: "host", asks: "does its machine have disk, memory and processor left?", silence: actions.Unknown,
	outside: func(ctx context.Context, v *visit) Finding {
		m, err := v.facts(ctx)
		if err != nil {
			return v.c.unseen(err, "host "+hostOf(v.n))
		}
		b := v.c.opt.Bounds
		f := found(actions.OK, "")
		f.fact = m
		var bad, well []string
		note := func(level actions.Level, code, format string, args ...any) {
			text := fmt.Sprintf(format, args...)
			if level == actions.OK {
				well = append(well, text)
				return
			}
			if worse(f.Result, level) != f.Result || f.Code == "" {
				f.Code = code
			}
			f.Result = worse(f.Result, level)
			bad = append(bad, text)
		}
		if d := m.Disk; d != nil {
			level := b.DiskFree.below(float64(d.Free))
			if d.Inodes > 0 && d.FreeInodes == 0 {
				level = actions.Critical
				note(level, actions.CodeDiskFull, "no inode free in %s", v.n.Dir)
			}
			note(level, actions.CodeDiskFull, "%s of %s free in %s", size(d.Free), size(d.Total), v.n.Dir)
		}
		if r := m.Memory; r != nil && r.Total > 0 {
			note(b.HostMemory.of(percent(int64(r.Used()), int64(r.Total))), codeMemory, "memory %s used of %s", share(percent(int64(r.Used()), int64(r.Total))), size(r.Total))
		}
		if s := m.Swap; s != nil && s.Total > 0 {
			note(b.HostSwap.of(percent(int64(s.Used()), int64(s.Total))), codeMemory, "swap %s used of %s", share(percent(int64(s.Used()), int64(s.Total))), size(s.Total))
		}
		if l := m.Load; l != nil && m.CPUs != nil && *m.CPUs > 0 {
			note(b.HostLoad.of(l.Five/float64(*m.CPUs)), codeLoad, "load %.1f (5 min) on %s", l.Five, plural(*m.CPUs, "processor"))
		}
		for _, q := range []struct {
			what string
			*Quota
		}{{"processes on the machine", m.Processes}, {"open files on the machine", m.Files}, {"file descriptors of the node", m.NodeFiles}} {
			if q.Quota != nil && q.Max > 0 {
				of := percent(int64(q.Used), int64(min(q.Max, 1<<62)))
				note(b.Processes.of(of), codeFiles, "%s %s (%s of what it may have)", grouped(int64(q.Used)), q.what, share(of))
			}
		}
		if m.VMs != nil {
			well = append(well, fmt.Sprintf("%d Erlang VMs", len(m.VMs.Running)))
		}
		if m.Ports != nil && v.n.Port != 0 {
			for _, l := range m.Ports.On(v.n.Port) {
				if l.Program != "" && !strings.HasPrefix(l.Program, "beam") {
					note(actions.Critical, codePortTaken, "port %d is held by %s (pid %d)", v.n.Port, cut(l.Program, 40), l.PID)
				}
			}
		}
		var missing []string
		for _, u := range m.Unknown {
			missing = append(missing, u.Fact)
		}
		f.Evidence = strings.Join(append(bad, well...), ", ")
		if len(missing) > 0 {
			f.Evidence += fmt.Sprintf("; not to be seen: %s", strings.Join(missing, ", "))
		}
		if len(bad)+len(well) == 0 {
			f.Result = actions.NotAvailable
		}
		if f.Code == actions.CodeDiskFull {
			return f.byHand("free space in " + v.n.Dir + ": old logs and backups first; never Mnesia.* or data/wal")
		}
		return f
	},
}
