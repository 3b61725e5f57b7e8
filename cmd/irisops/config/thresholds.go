package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"irisops/actions/cluster"
)

// Pair is a threshold: from where on a figure is worth a warning, and from where
// on it is critical. In the file these are two keys, its own with _warn and with
// _critical.
type Pair[T figure] struct {
	Warn     T `yaml:"warn"`
	Critical T `yaml:"critical"`
}

type figure interface {
	Size | Percent | Number | time.Duration
}

// Percent is written "60%", or "off": never.
type Percent float64

// Number is written 1000, 0.5, or "off": never.
type Number float64

const (
	off   = "off"
	never = "never" // in a sentence
)

var (
	percentShape = regexp.MustCompile(`^[0-9]{1,5}(\.[0-9]{1,3})? ?%$`)
	numberShape  = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,3})?$`)
)

func (p *Percent) UnmarshalText(text []byte) error {
	if string(text) == off {
		*p = Percent(math.Inf(1))
		return nil
	}
	if !percentShape.Match(text) {
		return fmt.Errorf("%s is not a part of a whole: write 60%%, or off", quote(string(text)))
	}
	f, err := strconv.ParseFloat(strings.TrimRight(string(text), " %"), 64)
	*p = Percent(f)
	return err
}

func (p Percent) String() string {
	if math.IsInf(float64(p), 1) {
		return never
	}
	return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%"
}

func (n *Number) UnmarshalText(text []byte) error {
	if string(text) == off {
		*n = Number(math.Inf(1))
		return nil
	}
	if !numberShape.Match(text) {
		return fmt.Errorf("%s is not a number: write 1000 or 0.5, or off", quote(string(text)))
	}
	f, err := strconv.ParseFloat(string(text), 64)
	*n = Number(f)
	return err
}

func (n Number) String() string {
	if math.IsInf(float64(n), 1) {
		return never
	}
	return strconv.FormatFloat(float64(n), 'f', -1, 64)
}

// Checks are thresholds. What is not given is as the checks have it.
type Checks struct {
	PingWarn time.Duration       `yaml:"ping_warn"`
	Login    Pair[time.Duration] `yaml:"login_*"`

	Memory      Pair[Percent] `yaml:"memory_*"`
	NodeMemory  Pair[Size]    `yaml:"node_memory_*"`
	Processes   Pair[Percent] `yaml:"processes_*"`
	Limits      Pair[Percent] `yaml:"limits_*"`
	RunQueue    Pair[Number]  `yaml:"run_queue_*"`
	Schedulers  Pair[Percent] `yaml:"schedulers_*"`
	Binaries    Pair[Percent] `yaml:"binaries_*"`
	BinaryFloor Size          `yaml:"binaries_floor"`
	Mailbox     Pair[Number]  `yaml:"mailbox_*"`

	Transactions Pair[Percent] `yaml:"transactions_*"`
	Overload     Pair[Number]  `yaml:"overload_*"`
	Pending      Pair[Number]  `yaml:"pending_*"`
	SizeSkew     Pair[Percent] `yaml:"size_skew_*"`
	PresenceSkew Pair[Percent] `yaml:"presence_skew_*"`
	StuckUser    Pair[Number]  `yaml:"stuck_user_*"`
	Unacked      Pair[Number]  `yaml:"unacknowledged_*"`

	Clock      Pair[time.Duration] `yaml:"clock_*"`
	DiskFree   Pair[Size]          `yaml:"disk_free_*"`
	HostMemory Pair[Percent]       `yaml:"host_memory_*"`
	HostLoad   Pair[Number]        `yaml:"host_load_*"`
	HostSwap   Pair[Percent]       `yaml:"host_swap_*"`

	MostProcesses int `yaml:"most_processes"`
	MostKeys      int `yaml:"most_keys"`
}

// The bounds of what may be looked at one by one: more would be a burden to a
// loaded node.
const maxWalk = 1_000_000

// figures joins the keys with the bounds of the checks.
func (c *Checks) figures(b *cluster.Bounds) []joined {
	return []joined{
		bind("memory", &c.Memory, &b.Memory, 1),
		bind("node_memory", &c.NodeMemory, &b.NodeMemory, 1),
		bind("processes", &c.Processes, &b.Processes, 1),
		bind("limits", &c.Limits, &b.Limits, 1),
		bind("run_queue", &c.RunQueue, &b.RunQueue, 1),
		bind("schedulers", &c.Schedulers, &b.Utilization, 1),
		bind("binaries", &c.Binaries, &b.Binaries, 1),
		bind("mailbox", &c.Mailbox, &b.Mailbox, 1),
		bind("transactions", &c.Transactions, &b.Transactions, 1),
		bind("overload", &c.Overload, &b.Overload, 1),
		bind("pending", &c.Pending, &b.Pending, 1),
		bind("size_skew", &c.SizeSkew, &b.SizeSkew, 1),
		bind("presence_skew", &c.PresenceSkew, &b.PresenceSkew, 1),
		bind("stuck_user", &c.StuckUser, &b.StuckUser, 1),
		bind("unacknowledged", &c.Unacked, &b.Unacked, 1),
		bind("clock", &c.Clock, &b.Clock, float64(time.Second)),
		bind("disk_free", &c.DiskFree, &b.DiskFree, 1),
		bind("host_memory", &c.HostMemory, &b.HostMemory, 1),
		bind("host_load", &c.HostLoad, &b.HostLoad, 1),
		bind("host_swap", &c.HostSwap, &b.HostSwap, 1),
	}
}

// joined is one threshold of the file and its bound.
type joined struct {
	key   string
	check func(k *checker)
	bound func()
}

// bind joins a pair of keys with a bound whose figures are unit times smaller.
func bind[T figure](key string, pair *Pair[T], bound *cluster.Bound, unit float64) joined {
	standard := Pair[T]{figureOf[T](bound.Warn * unit), figureOf[T](bound.Critical * unit)}
	return joined{key,
		func(k *checker) { checkPair(k, "checks."+key, pair, standard) },
		func() {
			*bound = cluster.Bound{Warn: float64(pair.Warn) / unit, Critical: float64(pair.Critical) / unit}
		},
	}
}

// figureOf is a figure of a bound, where 0 means never.
func figureOf[T figure](f float64) T {
	var t T
	switch any(t).(type) {
	case Percent, Number:
		if f == 0 {
			f = math.Inf(1)
		}
	}
	return T(f)
}

// Bounds are the thresholds as the checks want them.
func (c Checks) Bounds() cluster.Bounds {
	b := cluster.DefaultBounds()
	for _, f := range c.figures(&b) {
		f.bound()
	}
	b.BinaryFloor, b.MostProcesses, b.MostKeys = float64(c.BinaryFloor), c.MostProcesses, c.MostKeys
	return b
}

// checkThresholds fills in what is not given, and refuses what could never hold.
func (k *checker) checkThresholds() {
	t, b := &k.c.Checks, cluster.DefaultBounds()
	fill(k, "checks.ping_warn", &t.PingWarn, 200*time.Millisecond)
	checkPair(k, "checks.login", &t.Login, Pair[time.Duration]{500 * time.Millisecond, 2 * time.Second})
	for _, f := range t.figures(&b) {
		f.check(k)
	}
	fill(k, "checks.binaries_floor", &t.BinaryFloor, Size(b.BinaryFloor))
	for _, most := range []struct {
		path     string
		value    *int
		standard int
	}{{"checks.most_processes", &t.MostProcesses, b.MostProcesses}, {"checks.most_keys", &t.MostKeys, b.MostKeys}} {
		fill(k, most.path, most.value, most.standard)
		if k.usable(most.path) && *most.value > maxWalk {
			k.fault(most.path, "%s: more than %d are a burden to a loaded node.", last(most.path), maxWalk)
		}
	}
}

// checkPair fills in and checks the two keys of a threshold. Free disk is bad
// when it is small, everything else when it is large.
func checkPair[T figure](k *checker, path string, pair *Pair[T], standard Pair[T]) {
	warn, critical := path+"_warn", path+"_critical"
	fill(k, warn, &pair.Warn, standard.Warn)
	fill(k, critical, &pair.Critical, standard.Critical)
	small := path == "checks.disk_free"
	if k.bad[warn] || k.bad[critical] || small && pair.Warn >= pair.Critical || !small && pair.Warn <= pair.Critical {
		return
	}
	order := "smaller"
	if small {
		order = "larger"
	}
	k.fault(k.theGiven(warn, critical), "The warning at %s would come after the critical one at %s. %s has to be the %s.",
		written(pair.Warn), written(pair.Critical), last(warn), order)
}

// written is the figure as people write it.
func written[T figure](f T) string {
	if d, ok := any(f).(time.Duration); ok {
		return spoken(d)
	}
	return fmt.Sprint(f)
}

func (k *checker) theGiven(one, other string) string {
	if k.given(one) {
		return one
	}
	return other
}

func fill[T figure | int](k *checker, path string, value *T, standard T) {
	switch {
	case !k.given(path):
		*value = standard
	case k.usable(path) && *value <= 0:
		k.fault(path, "%s has to be more than 0.", last(path))
	}
}
