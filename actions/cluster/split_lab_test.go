package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
)

// put writes a record on one core.
func (p *postOffice) put(core string, row term.Tuple) {
	p.Helper()
	if t, err := p.link.Call(p.Context(), p.node(core).Name, "mnesia", "dirty_write", row); err != nil || t != term.Atom("ok") {
		p.Fatal(t, err)
	}
}

// carryOut performs the steps of a plan from one on up to, not including, another.
func (p *postOffice) carryOut(plan actions.Plan, from, to int) string {
	p.Helper()
	var all strings.Builder
	for _, s := range plan.Steps[from:to] {
		evidence, err := s.Perform(p.Context())
		if err == nil && s.Check != nil {
			var seen string
			seen, err = s.Check(p.Context())
			evidence += seen
		}
		if err != nil {
			p.Fatalf("%s: %v", s.Name, err)
		}
		fmt.Fprintf(&all, "%s: %s\n", s.Name, evidence)
	}
	return all.String()
}

func stepAt(plan actions.Plan, name string) int {
	return slices.IndexFunc(plan.Steps, func(s actions.Step) bool { return strings.HasPrefix(s.Name, name) })
}

const splitRecovery = "recover split-brain"

// A larger difference than one reply holds goes over in pieces: messages that are
// records of lists, in buckets that the other side does not know, and revoked
// tokens. Before anything is stopped it can be taken back, and afterwards what was
// kept can be merged on its own.
func TestSplitBrainInPieces(t *testing.T) {
	p := newPostOffice(t, lab.Options{Cores: 2, Edges: 1})
	if _, err := p.lab.Partition(t.Context(), []string{"core1", "edge1"}, []string{"core2"}); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	old := now - time.Hour.Milliseconds()
	for _, core := range []string{"core1", "core2"} { // what both had before
		p.put(core, term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte("old"), 0}, old, []byte("before")})
		p.put(core, term.Tuple{term.Atom("revoked_tokens"), []byte("both"), int64(1)})
	}
	// The winner's user has read it meanwhile: it must not come back.
	if _, err := p.link.Call(t.Context(), p.node("core1").Name, "mnesia", "dirty_delete", term.Atom("offline_msg"), term.Tuple{[]byte("old"), 0}); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 8_000)
	for i := range 700 { // 5.6 MB
		p.put("core2", term.Tuple{term.Atom("offline_msg"), term.Tuple{fmt.Appendf(nil, "user%d", i%70), i % 3}, now + int64(i/5), fmt.Appendf(nil, "%d %s", i, body)})
	}
	for i := range 70 {
		p.put("core2", term.Tuple{term.Atom("user_meta"), fmt.Appendf(nil, "user%d", i), int64(3)})
	}
	p.put("core1", term.Tuple{term.Atom("user_meta"), []byte("user7"), int64(5)})
	p.put("core2", term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte("lists"), 0}, now, term.List{[]byte("a"), term.List{[]byte("b")}, []byte("c")}})
	p.put("core2", term.Tuple{term.Atom("revoked_tokens"), []byte("later"), int64(9)})
	p.put("core2", term.Tuple{term.Atom("revoked_tokens"), []byte("both"), int64(7)})
	p.put("core1", term.Tuple{term.Atom("revoked_tokens"), []byte("ours"), int64(3)})
	if _, err := p.lab.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}

	plan, err := p.planWith(p.c, splitRecovery, actions.Args{"loser": "core2"})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Class != actions.Harm || len(plan.Targets) != 3 || len(plan.Bound["mnesia.core2"]) == 0 {
		t.Errorf("%+v", plan)
	}
	// Worked out again for the same request it is the same, also when half of it is done.
	args := actions.Args{"loser": "core2"}
	for k, v := range plan.Bound {
		args[k] = v
	}
	same := func(what string, again actions.Plan, err error) {
		t.Helper()
		if err != nil || len(again.Steps) != len(plan.Steps) {
			t.Fatalf("%s: %+v, %v", what, again, err)
		}
		for i := range plan.Steps {
			if again.Steps[i].Name != plan.Steps[i].Name || again.Steps[i].Describe != plan.Steps[i].Describe {
				t.Errorf("%s: step %d is %q", what, i, again.Steps[i].Describe)
			}
		}
	}
	again, err := p.planWith(p.c, splitRecovery, args)
	same("when it is agreed to", again, err)

	// Up to here it can be taken back, and no data have changed.
	sizes := func() string {
		var all []string
		for _, core := range []string{"core1", "core2"} {
			for _, table := range []string{"offline_msg", "user_meta", "revoked_tokens"} {
				n, err := p.link.Call(t.Context(), p.node(core).Name, "mnesia", "table_info", term.Atom(table), term.Atom("size"))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, term.Format(n, 20))
			}
		}
		return strings.Join(all, " ")
	}
	before := sizes()
	ready := stepAt(plan, "tell core2")
	said := p.carryOut(plan, 0, ready)
	if !strings.Contains(said, "703 messages in 701 records, 2 revoked tokens") {
		t.Errorf("kept:\n%s", said)
	}
	undo, err := p.planWith(p.c, splitRecovery, actions.Args{"undo": "true"})
	if err != nil || undo.Class != actions.Do {
		t.Fatalf("%+v, %v", undo, err)
	}
	p.carryOut(undo, 0, len(undo.Steps))
	if after := sizes(); after != before {
		t.Errorf("the tables had %s records, and after --undo %s", before, after)
	}
	if _, err := plan.Steps[stepAt(plan, "turn clients away")].Check(t.Context()); err == nil {
		t.Error("after --undo no edge chooses core2")
	}
	if got := len(p.waiting("core2", "user3")); got != 10 {
		t.Errorf("core2 has %d messages for user3 after --undo", got)
	}

	// What is stored after the messages were kept is not given up in silence.
	p.carryOut(plan, stepAt(plan, "turn clients away"), stepAt(plan, "keep"))
	p.put("core2", term.Tuple{term.Atom("revoked_tokens"), []byte("just now"), int64(11)})
	if _, err := plan.Steps[stepAt(plan, "check backups")].Perform(t.Context()); actions.CodeOf(err) != "changed" || !strings.Contains(err.Error(), "3 revoked tokens by now, and 2 are kept") {
		t.Errorf("a token was revoked after the others were kept: %v", err)
	}
	if _, err := p.link.Call(t.Context(), p.node("core2").Name, "mnesia", "dirty_delete", term.Atom("revoked_tokens"), []byte("just now")); err != nil {
		t.Fatal(err)
	}
	p.put("core2", term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte("late"), 0}, now + 5_000, []byte("late")})
	if _, err := plan.Steps[stepAt(plan, "check backups")].Perform(t.Context()); actions.CodeOf(err) != "changed" {
		t.Errorf("a message came after the others were kept: %v", err)
	}
	if _, err := plan.Steps[stepAt(plan, "stop core2")].Perform(t.Context()); actions.CodeOf(err) != "changed" { // where the run stood still before it
		t.Errorf("a message came before core2 was stopped: %v", err)
	}
	// A new request takes it up.
	for until := time.Now().Add(1100 * time.Millisecond); time.Now().Before(until); {
		again, err = p.planWith(p.c, splitRecovery, actions.Args{"loser": "core2"}) // another second, another name
		if err != nil {
			t.Fatal(err)
		}
	}
	plan = again
	// Here it ends for good, with core2 stopped and its data copied. It is started by
	// hand, with the order whose data to load.
	p.carryOut(plan, 0, stepAt(plan, "archive log"))
	start, err := p.planWith(p.c, "start", actions.Args{"target": "core2", "first": "core1"})
	if err != nil {
		t.Fatal(err)
	}
	p.carryOut(start, 0, len(start.Steps))
	if got := p.waiting("core2", "user3"); len(got) != 0 {
		t.Errorf("core2 did not load the data of core1: it has %d messages", len(got))
	}
	bound := func() bool {
		return strings.Contains(fmt.Sprint(p.ask("diagnose", actions.Args{"mode": "mnesia"}).Sections), "at its next start it loads its tables from core1, whoever wrote last")
	}
	if !bound() {
		t.Error("the diagnosis does not see that core2 is still told whose tables to load")
	}
	// A person merges what was kept, twice.
	for range 2 {
		by, err := p.planWith(p.c, splitRecovery, actions.Args{"merge": plan.Bound["stamp"]})
		if err != nil {
			t.Fatal(err)
		}
		said = p.carryOut(by, 0, len(by.Steps))
		for _, part := range []string{"704 messages in 702 records for 72 users (", "bucket counts of 69 users raised", "2 of 2 revoked tokens added or renewed"} {
			if !strings.Contains(said, part) {
				t.Errorf("missing %q in:\n%s", part, said)
			}
		}
		if strings.Contains(said, "xxx") {
			t.Error("what is in a message was shown")
		}
	}
	if bound() {
		t.Error("after the merge core2 is still told whose tables to load")
	}
	for _, core := range []string{"core1", "core2"} {
		for user, count := range map[string]int{"user3": 10, "user69": 10, "lists": 1, "late": 1, "old": 0} {
			if got := len(p.waiting(core, user)); got != count {
				t.Errorf("%s has %d records for %s, want %d", core, got, user, count)
			}
		}
		for _, row := range []struct {
			table, key string
			want       int64
		}{{"user_meta", "user3", 3}, {"user_meta", "user7", 5}, {"revoked_tokens", "later", 9}, {"revoked_tokens", "both", 7}, {"revoked_tokens", "ours", 3}} {
			got, err := p.link.Call(t.Context(), p.node(core).Name, "mnesia", "dirty_read", term.Atom(row.table), []byte(row.key))
			if err != nil || !term.Equal(got, term.List{term.Tuple{term.Atom(row.table), []byte(row.key), row.want}}) {
				t.Errorf("%s: %s %s is %s, %v", core, row.table, row.key, term.Format(got, 100), err)
			}
		}
	}

	// The copies hold the losing side's data as they were, and open alone as the
	// help says.
	aside, err := filepath.Glob(filepath.Join(p.lab.Dir(), "Mnesia.*core2_*.split-"+plan.Bound["stamp"]))
	if err != nil || len(aside) != 1 {
		t.Fatalf("copies: %q, %v", aside, err)
	}
	if err := p.lab.Kill(t.Context(), "core2"); err != nil {
		t.Fatal(err)
	}
	alone := exec.CommandContext(t.Context(), "erl", "-noshell", "-sname", p.node("core2").Alive(), "-setcookie", "alone", "-mnesia", "dir", strconv.Quote(aside[0]),
		"-eval", `ok = mnesia:set_master_nodes([]), ok = mnesia:start(), ok = mnesia:wait_for_tables([offline_msg, revoked_tokens], 20000), `+
			`io:format("~p ~p", [mnesia:table_info(offline_msg, size), mnesia:table_info(revoked_tokens, size)]), halt().`)
	alone.Env = append(os.Environ(), fmt.Sprint("ERL_EPMD_PORT=", p.lab.EPMDPort()))
	if out, err := alone.CombinedOutput(); err != nil || string(out) != "703 2" {
		t.Errorf("the copy, opened alone: %s, %v", out, err)
	}

	// A piece that was touched is never merged.
	pieces, err := filepath.Glob(p.keep.Path("split-lab-" + plan.Bound["stamp"] + "-*.delta"))
	if err != nil || len(pieces) < 3 {
		t.Fatalf("pieces: %q, %v", pieces, err)
	}
	if err := os.WriteFile(pieces[0], []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.planWith(p.c, splitRecovery, actions.Args{"merge": plan.Bound["stamp"]}); actions.CodeOf(err) != "damaged" {
		t.Errorf("a piece that was touched: %v", err)
	}
	for _, bad := range []string{"x", "../x", "20200101T000000Z"} {
		if _, err := p.planWith(p.c, splitRecovery, actions.Args{"merge": bad}); err == nil || !strings.Contains(err.Error(), "Kept are: ") {
			t.Errorf("merging %s: %v", bad, err)
		}
	}
}
