package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// drillLab is a lab with two cores whose drills are announced a second before, and
// are watched.
func drillLab(t *testing.T, limit string) (*lab.Lab, *player) {
	t.Helper()
	l := labtest.ForTest(t, lab.Options{Cores: 2})
	text, err := os.ReadFile(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("drill: {notice: 10s}"), []byte("drill: {notice: 1s, limit: "+limit+"}"), 1)
	text = append(text, "watch: {mode: declare, every: 1s}\n"...)
	if err := os.WriteFile(l.ConfigFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return l, newPlayer(t, l.ConfigFile())
}

// asked has a person ask for the drill, as soon as the diagnosis is green.
func (p *player) asked(words string) string {
	p.t.Helper()
	var said string
	awaited(p.t, "it can be asked for: "+words, func() bool {
		said = p.await(p.type_("operator", words), "\ncode ")
		return strings.Contains(said, "needs a second person")
	})
	return said
}

// TestPartitionDrill parts a core of a real lab, with clients on both sides: it is
// seen, joined, settled as was agreed to, every node serves, and no message that
// was sent is lost or comes twice.
func TestPartitionDrill(t *testing.T) {
	t.Parallel()
	l, p := drillLab(t, "3m")
	want(t, p.say("operator", "drill run --fault partition --node edge1", 1), "edge1 is an edge: only a core is parted from the others")
	want(t, p.say("operator", "drill run --fault partition --node core2", 1), "a fresh backup: there is no verified backup")
	p.backedUp()
	asked := p.asked("drill run --fault partition --node core2")
	want(t, asked, "DRILL: partition core2, recovered by irisops; core2 gives up its data for that of core1",
		"`recover split-brain --loser core2`", "both sides are backed up", "exported", "last seen, presence and the log of")
	m := &mailbag{t: t, l: l, to: map[string][]string{}}
	stops := []func(){m.stream("edge1", "ann", "left"), m.stream("edge2", "bob", "right")}
	from := len(p.said())
	p.agreed(asked)
	p.await(from, "DRILL: Settle the split-brain: core2 gives up its data for that of core1")
	said := p.await(from, "all 3 steps done")
	for _, stop := range stops {
		stop()
	}
	want(t, said, "DRILL passed: core2 was back after")
	report := p.say("operator", "drill report --all", 0)
	want(t, report, "core2 sees edge2; its Mnesia runs alone", "irisops recovers core2", "join the network again", "settle the split", "everything serves")
	want(t, p.say("operator", "recover split-brain", 1), "There is no split")
	m.count("edge1")
	for pattern, count := range map[string]int{"backups/lab-split-*.bak": 2, "Mnesia.*core2_*.split-*": 1, "bot/exports/*.manifest": 1} {
		if found := files(t, l, pattern); len(found) != count {
			t.Errorf("%s: %q, want %d", pattern, found, count)
		}
	}
}

// TestPartitionDrillAborted: people are to recover it, and one of them ends the
// drill. What was agreed to covers that it is settled all the same.
func TestPartitionDrillAborted(t *testing.T) {
	t.Parallel()
	_, p := drillLab(t, "3m")
	p.backedUp()
	asked := p.asked("drill run --fault partition --node core2 --mode observe")
	from := len(p.said())
	p.agreed(asked)
	p.await(from, "DRILL under way: partition core2")
	p.await(from, "P1 open: the cores are split: their databases diverge") // the watch, as usual
	p.say("second", "drill abort enough seen", 0)
	p.await(from, "aborted: aborted by second: enough seen; everything serves again.")
	want(t, p.say("operator", "recover split-brain", 1), "There is no split")
	if said := p.said()[from:]; strings.Count(said, "P1 open:") != strings.Count(said, "DRILL INC-2 P1 open:") {
		t.Errorf("not one incident beside the drill's own, marked so:\n%s", said)
	}
}

// TestPartitionDrillNotSettled: nobody gives up data while actions are halted. The
// network is joined, and what is left is a real incident that pages, and that
// people settle.
func TestPartitionDrillNotSettled(t *testing.T) {
	t.Parallel()
	_, p := drillLab(t, "3m")
	p.backedUp()
	asked := p.asked("drill run --fault partition --node core2 --mode observe")
	from := len(p.said())
	p.agreed(asked)
	p.await(from, "DRILL under way: partition core2")
	p.say("owner", "halt what is this", 0)
	p.await(from, "PAGE: operator")
	said := p.await(from, "failed: halted by owner")
	want(t, said, "The split that the drill of core2 has left is not settled: Actions are halted", "the cluster is NOT in order")
	p.say("operator", "resume-actions", 0)
	p.agreed(p.say("operator", "recover split-brain --loser core2", 0))
	awaited(t, "clients are served", func() bool {
		return strings.Contains(p.await(p.type_("operator", "verify"), "\ncode "), "verified on all 2 edges")
	})
	want(t, p.say("operator", "drill history", 0), "1 drill, 0 passed")
}

func (p *player) backedUp() {
	p.t.Helper()
	p.say("operator", "backup now", 0)
	want(p.t, p.say("operator", "confirm REQ-1", 0), "REQ-1 done")
}

// agreed has a second person approve what was asked for.
func (p *player) agreed(asked string) {
	p.t.Helper()
	p.say("second", "approve "+regexp.MustCompile(`REQ-\d+`).FindString(asked), 0)
}
