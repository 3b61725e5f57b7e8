package cluster

import (
	"cmp"
	"time"
)

// Options bound what is asked of a cluster in time, and say from where on a
// figure is bad. The zero value means the defaults written beside each field.
type Options struct {
	Secrets []string       // values never shown, such as the cookie; shorter than 4 bytes are ignored
	Zone    *time.Location // of the times in the nodes' logs; this machine's zone
	People  *time.Location // of the times that people read; Zone

	Diagnose time.Duration // all quick checks of all nodes together: 2 s
	Full     time.Duration // all checks of a full diagnosis together, and any that samples: 6 s
	Sample   time.Duration // between two samples of a figure: 1 s
	Survey   time.Duration // finding out what is alive, before a plan: 2 s
	Summary  time.Duration // the one line of `status`: 1 s
	Verify   time.Duration // the probes on all edges together: 10 s

	Call     time.Duration // one rpc inside a step: 5 s
	Graceful time.Duration // from init:stop to the end of the process: 20 s
	Term     time.Duration // from SIGTERM to the end of the process: 10 s
	Kill     time.Duration // from SIGKILL to the end of the process: 5 s
	Make     time.Duration // make TARGET, compiling included: 5 min
	Appear   time.Duration // from the end of make to a process: 15 s
	Ready    time.Duration // from the process to a node that serves: 90 s; IRIS itself waits 30 s for tables
	Idle     time.Duration // a node on which nothing starts and IRIS does not run has failed: 10 s
	Settle   time.Duration // connecting edge and core, or a first login: 20 s
	Steady   time.Duration // a connection that holds for so long has come to stay: 2 s
	Apart    time.Duration // cores whose last writes lie closer together stopped in an unknown order: 5 s, as Mnesia's log is written to disk within 2 s
	Together time.Duration // cores started together all run within this: 20 s, because IRIS loads its tables alone after 30 s

	SlowPing  time.Duration // a ping is worth a warning: 200 ms
	SlowLogin time.Duration // a login or message is worth a word: 500 ms
	BadLogin  time.Duration // a login or message is worth a warning: 2 s
	LogWindow time.Duration // errors in a log count as new for so long: 15 min

	Exports Files // where exports are kept; without it nothing is exported, and so nothing cleared

	Backup  BackupOptions
	Backups Backups // remembers backups; without it none is made

	Bounds Bounds // from where on the figures of the checks are bad

	Keeper Keeper // keeps the last healthy diagnosis; nil: nothing does
}

func (o Options) withDefaults() Options {
	o.Zone = cmp.Or(o.Zone, time.Local)
	o.People = cmp.Or(o.People, o.Zone)
	o.Bounds = o.Bounds.withDefaults()
	o.Backup.Keep = cmp.Or(o.Backup.Keep, 7)
	o.Backup.MinFree = cmp.Or(o.Backup.MinFree, 2<<30)
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Diagnose, 2 * time.Second},
		{&o.Full, 6 * time.Second},
		{&o.Sample, time.Second},
		{&o.Survey, 2 * time.Second},
		{&o.Summary, time.Second},
		{&o.Verify, 10 * time.Second},
		{&o.Call, 5 * time.Second},
		{&o.Graceful, 20 * time.Second},
		{&o.Term, 10 * time.Second},
		{&o.Kill, 5 * time.Second},
		{&o.Make, 5 * time.Minute},
		{&o.Appear, 15 * time.Second},
		{&o.Ready, 90 * time.Second},
		{&o.Idle, 10 * time.Second},
		{&o.Settle, 20 * time.Second},
		{&o.Steady, 2 * time.Second},
		{&o.Apart, 5 * time.Second},
		{&o.Together, 20 * time.Second},
		{&o.SlowPing, 200 * time.Millisecond},
		{&o.SlowLogin, 500 * time.Millisecond},
		{&o.BadLogin, 2 * time.Second},
		{&o.LogWindow, 15 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return o
}

// Cluster is one IRIS cluster that can be looked at and acted on. Make one with
// New. It is safe for concurrent use.
type Cluster struct {
	Spec
	erlang Erlang
	host   Host
	edge   Edge
	opt    Options
	mask   masker

	stopping chan struct{} // held by whoever stops a node
}

// New is the cluster of the spec, reached through the three adapters.
func New(spec Spec, erlang Erlang, host Host, edge Edge, opt Options) *Cluster {
	return &Cluster{Spec: spec, erlang: erlang, host: host, edge: edge, opt: opt.withDefaults(), mask: newMasker(opt.Secrets), stopping: make(chan struct{}, 1)}
}
