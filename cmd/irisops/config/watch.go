package config

import (
	"slices"
	"time"

	"irisops/bot/watch"
)

// Watch is how the clusters are watched.
type Watch struct {
	Mode        string        `yaml:"mode"` // off, observe or declare
	Every       time.Duration `yaml:"every"`
	Latency     time.Duration `yaml:"latency"`
	Window      time.Duration `yaml:"window"`
	Connections int           `yaml:"connections"`
	Growth      int           `yaml:"offline_growth"`
}

var defaultWatch = Watch{Mode: string(watch.Observe), Every: watch.Every, Latency: 500 * time.Millisecond, Window: 5 * time.Minute, Connections: 50, Growth: 1000}

// Rules are the thresholds as the watch knows them.
func (w Watch) Rules() watch.Rules {
	return watch.Rules{Latency: w.Latency, Window: w.Window, Connections: int64(w.Connections), Growth: int64(w.Growth)}
}

// seldomest is how seldom a cluster may be looked at: a P1 has to be found well
// within its time.
const seldomest = 5 * time.Minute

func (k *checker) checkWatch() {
	w, d := &k.c.Watch, defaultWatch
	if !k.given("watch.mode") {
		w.Mode = d.Mode
	}
	var modes []string
	for _, m := range watch.Modes {
		modes = append(modes, string(m))
	}
	if k.usable("watch.mode") && !slices.Contains(modes, w.Mode) {
		k.fault("watch.mode", "mode: there is no %s. %s", quote(w.Mode), didYouMean(w.Mode, modes))
	}
	fill(k, "watch.every", &w.Every, d.Every)
	fill(k, "watch.latency", &w.Latency, d.Latency)
	fill(k, "watch.window", &w.Window, d.Window)
	for _, n := range []struct {
		path     string
		value    *int
		standard int
	}{{"watch.connections", &w.Connections, d.Connections}, {"watch.offline_growth", &w.Growth, d.Growth}} {
		switch {
		case !k.given(n.path):
			*n.value = n.standard
		case k.usable(n.path) && *n.value <= 0:
			k.fault(n.path, "%s has to be more than 0.", last(n.path))
		}
	}
	switch {
	case k.bad["watch.every"] || k.bad["watch.window"]:
	case w.Every < time.Second || w.Every > seldomest:
		k.fault(k.theGiven("watch.every", "watch.window"), "every: %s cannot be: a cluster is looked at every 1s to %s.", spoken(w.Every), spoken(seldomest))
	case w.Window < 4*w.Every:
		k.fault(k.theGiven("watch.window", "watch.every"), "window: in %s there are not four looks, at one every %s.", spoken(w.Window), spoken(w.Every))
	}
}
