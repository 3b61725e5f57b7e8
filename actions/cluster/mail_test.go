package cluster_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/keep"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// postOffice is a lab in which users' messages are handled.
type postOffice struct {
	*field
	keep keep.Dir
}

func newPostOffice(t *testing.T, o lab.Options) *postOffice {
	l := labtest.ForTest(t, o)
	f := &field{T: t, lab: l, spec: cluster.Spec{Name: "lab"}}
	for _, n := range l.Nodes() {
		f.spec.Nodes = append(f.spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: l.Dir(), Target: n.Target, Log: filepath.Base(n.Log), Port: n.Port, EPMDPort: l.EPMDPort()})
	}
	f.link = f.connect(lab.Cookie)
	o2 := &postOffice{f, keep.In(t.TempDir() + "/exports")}
	f.c = cluster.New(f.spec, f.link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Secrets: []string{lab.Cookie}, Exports: o2.keep,
		Diagnose: patience, Survey: patience})
	return o2
}

// store puts a record into Mnesia, as IRIS does.
func (p *postOffice) store(user string, bucket int, at int64, message term.Term) {
	p.Helper()
	t, err := p.link.Call(p.Context(), p.node("core").Name, "mnesia", "dirty_write", term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte(user), bucket}, at, message})
	if err != nil || t != term.Atom("ok") {
		p.Fatal(t, err)
	}
}

// waiting are the records of a user on a core, in an order of their own.
func (p *postOffice) waiting(core, user string) []string {
	p.Helper()
	t, err := p.link.Call(p.Context(), p.node(core).Name, "ets", "match_object", term.Atom("offline_msg"), term.Tuple{term.Atom("_"), term.Tuple{[]byte(user), term.Atom("_")}, term.Atom("_"), term.Atom("_")})
	if err != nil {
		p.Fatal(err)
	}
	list, _ := term.AsList(t)
	var all []string
	for _, e := range list {
		b, err := term.Append(nil, e)
		if err != nil {
			p.Fatal(err)
		}
		all = append(all, string(b))
	}
	slices.Sort(all)
	return all
}

func (p *postOffice) bare(name string, req actions.Request) (actions.Plan, error) {
	for _, a := range p.c.Actions() {
		if a.Name == name {
			req.By, req.Now = "operator", cmp.Or(req.Now, time.Now())
			return a.Plan(p.Context(), req)
		}
	}
	p.Fatal("no action " + name)
	return actions.Plan{}, nil
}

func (p *postOffice) planned(name string, args actions.Args) actions.Plan {
	p.Helper()
	plan, err := p.bare(name, actions.Request{Args: args})
	if err != nil {
		p.Fatalf("%s: %v", name, err)
	}
	p.shows(fmt.Sprintf("%+v", plan))
	return plan
}

// perform carries the steps out and returns the evidence.
func (p *postOffice) perform(steps []actions.Step) (string, error) {
	var seen []string
	for _, s := range steps {
		ctx, cancel := context.WithTimeout(p.Context(), cmp.Or(s.Timeout, time.Minute))
		evidence, err := s.Perform(ctx)
		if err == nil {
			var checked string
			checked, err = s.Check(ctx)
			evidence += "; " + checked
		}
		cancel()
		seen = append(seen, s.Name+": "+evidence)
		if err != nil {
			return strings.Join(seen, "\n"), err
		}
	}
	p.Log(strings.Join(seen, "\n"))
	p.shows(strings.Join(seen, "\n"))
	return strings.Join(seen, "\n"), nil
}

// shows wants no contents in what people see.
func (p *postOffice) shows(text string) {
	p.Helper()
	if strings.Contains(text, "secret letter") {
		p.Errorf("contents are shown: %s", text)
	}
}

func (p *postOffice) same(what string, got, want []string) {
	p.Helper()
	if !slices.Equal(got, want) {
		p.Errorf("%s: %d records, want %d, or they are others", what, len(got), len(want))
	}
}

// bound are the parameters with which a plan is worked out again.
func bound(args actions.Args, plan actions.Plan) actions.Args {
	all := actions.Args{}
	maps.Copy(all, args)
	maps.Copy(all, plan.Bound)
	return all
}

// Everything that can stand in the table is exported, cleared and put back to
// the byte; nothing else is touched; what comes meanwhile stays.
func TestMessagesAreClearedAndRestoredToTheByte(t *testing.T) {
	p := newPostOffice(t, lab.Options{Cores: 2, Edges: 1})
	at := time.Now().Add(-time.Hour).UnixMilli()
	pid, err := p.link.Call(t.Context(), p.node("core1").Name, "erlang", "whereis", term.Atom("init"))
	p.must(err)
	contents := []term.Term{
		[]byte("secret letter"), []byte{}, []byte("żółw 漢字"), []byte{0, 255, 254, 1}, bytes.Repeat([]byte("secret letter "), 5000),
		term.List{[]byte("secret letter 1"), []byte("2"), term.List{[]byte("3")}}, // as store_batch leaves it
		term.Atom("undefined"), "abc", 1.5, int64(-7), term.Tuple{term.Atom("ok"), []byte("x")}, term.Map{{Key: []byte("k"), Value: int64(1)}}, pid,
		term.List{[]byte("m"), term.Atom("error")}, term.Improper{Items: term.List{int64(1)}, Tail: []byte("t")},
	}
	for i, c := range contents {
		p.store("alice", 0, at+int64(i), c)
	}
	p.store("alice", 0, at, []byte("the same time"))
	p.store("alice", 7, at, []byte("where no login looks"))
	p.store("alice", 40, at, []byte("where only --deep looks"))
	p.store("alice2", 0, at, []byte("of somebody else"))
	p.store("alic", 0, at, []byte("of somebody else"))
	all := p.waiting("core1", "alice")
	p.eventually("the other core has them too", func() bool { return slices.Equal(p.waiting("core2", "alice"), all) })
	alice := actions.Args{"user": "alice"}

	t.Run("export", func(t *testing.T) {
		plan := p.planned("messages export", alice)
		if plan.Class != actions.Do || plan.Title != "Export 17 records of alice" {
			t.Errorf("%s %q", plan.Class, plan.Title)
		}
		if _, err := p.perform(plan.Steps); err != nil {
			t.Fatal(err)
		}
		path := p.keep.Path(plan.Bound["export"] + ".export")
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
		// Erlang alone can read it.
		file, err := os.ReadFile(path)
		p.must(err)
		head, body, _ := bytes.Cut(file, []byte("\n\n"))
		t.Logf("%s", head)
		list, err := p.link.Call(t.Context(), p.node("core1").Name, "erlang", "binary_to_term", body)
		p.must(err)
		for _, b := range list.(term.List) {
			record, err := p.link.Call(t.Context(), p.node("core1").Name, "erlang", "binary_to_term", b)
			p.must(err)
			raw, _ := term.Append(nil, record)
			if !slices.Contains(all, string(raw)) {
				t.Errorf("exported is a record that was not there")
			}
		}
		if n := len(list.(term.List)); n != 17 {
			t.Errorf("exported are %d records", n)
		}
		p.same("after the export", p.waiting("core1", "alice"), all)
	})

	t.Run("clear and restore", func(t *testing.T) {
		plan := p.planned("messages clear", alice)
		if plan.Class != actions.Harm || plan.Title != "Clear 17 records of alice" {
			t.Errorf("%s %q", plan.Class, plan.Title)
		}
		again, err := p.bare("messages clear", actions.Request{Args: bound(alice, plan)})
		if err != nil || len(again.Steps) != 2 || again.Steps[0].Describe != plan.Steps[0].Describe || again.Title != plan.Title {
			t.Errorf("the same plan anew: %v, %+v", err, again)
		}
		p.store("alice", 0, time.Now().UnixMilli(), []byte("later"))
		if seen, err := p.perform(plan.Steps); err != nil || !strings.Contains(seen, "1 record that came later stay") {
			t.Errorf("%v\n%s", err, seen)
		}
		for _, core := range []string{"core1", "core2"} {
			p.eventually(core+" has lost those, and only those", func() bool { return len(p.waiting(core, "alice")) == 2 })
			if len(p.waiting(core, "alice2")) != 1 || len(p.waiting(core, "alic")) != 1 {
				t.Errorf("%s has lost messages of others", core)
			}
		}
		if _, err := p.bare("messages clear", actions.Request{Args: bound(alice, plan)}); actions.CodeOf(err) != "changed" {
			t.Errorf("cleared twice: %v", err)
		} else {
			t.Log(err)
		}
		left := p.waiting("core1", "alice")

		id := plan.Bound["export"]
		back := p.planned("messages restore", actions.Args{"id": strings.ToLower(id)})
		if back.Class != actions.Do {
			t.Error(back.Class)
		}
		if _, err := p.perform(back.Steps); err != nil {
			t.Fatal(err)
		}
		want := append(slices.Clone(all), left...)
		slices.Sort(want)
		want = slices.Compact(want)
		p.same("restored", p.waiting("core1", "alice"), want)
		p.eventually("on the other core too", func() bool { return slices.Equal(p.waiting("core2", "alice"), want) })
		if _, err := p.bare("messages restore", actions.Request{Args: actions.Args{"id": id}}); actions.CodeOf(err) != "nothing-to-do" {
			t.Errorf("restored twice: %v", err)
		}
	})

	t.Run("an interrupted clear goes on", func(t *testing.T) {
		deep := actions.Args{"user": "alice", "deep": "true"}
		before := p.waiting("core1", "alice")
		plan := p.planned("messages clear", deep)
		if plan.Title != "Clear 19 records of alice" {
			t.Error(plan.Title)
		}
		if _, err := p.perform(plan.Steps[:1]); err != nil {
			t.Fatal(err)
		}
		some, _, err := term.Decode([]byte(before[3])) // as if half of the step was done
		p.must(err)
		_, err = p.link.Call(t.Context(), p.node("core1").Name, "mnesia", "dirty_delete_object", some)
		p.must(err)
		again, err := p.bare("messages clear", actions.Request{Args: bound(deep, plan), Agreed: actions.Harm, Now: time.Now().Add(time.Minute)})
		p.must(err)
		for i, s := range plan.Steps {
			if again.Steps[i].Name != s.Name || again.Steps[i].Describe != s.Describe {
				t.Errorf("step %d is another one: %+v", i, again.Steps[i])
			}
		}
		if seen, err := again.Steps[1].Check(t.Context()); err == nil {
			t.Errorf("half done, and found done: %s", seen)
		}
		if seen, err := p.perform(again.Steps); err == nil {
			t.Errorf("exported again, though it is not what was agreed to: %s", seen)
		}
		if seen, err := p.perform(again.Steps[1:]); err != nil || !strings.Contains(seen, "deleted 18 records") {
			t.Errorf("%v\n%s", err, seen)
		}
		if left := p.waiting("core1", "alice"); len(left) != 0 {
			t.Errorf("%d records are left", len(left))
		}
		back := p.planned("messages restore", actions.Args{"id": plan.Bound["export"]})
		if _, err := p.perform(back.Steps); err != nil {
			t.Fatal(err)
		}
		p.same("restored", p.waiting("core1", "alice"), before)
	})

	t.Run("refusals", func(t *testing.T) {
		plan := p.planned("messages clear", alice)
		one, _, err := term.Decode([]byte(p.waiting("core1", "alice")[0]))
		p.must(err)
		_, err = p.link.Call(t.Context(), p.node("core1").Name, "mnesia", "dirty_delete_object", one)
		p.must(err)
		if _, err := p.bare("messages clear", actions.Request{Args: bound(alice, plan)}); actions.CodeOf(err) != "changed" || !strings.Contains(err.Error(), "then 18 records, of them there are now 17 records") {
			t.Errorf("changed since: %v", err)
		}
		if _, err := p.perform(plan.Steps); actions.CodeOf(err) != "changed" || len(p.waiting("core1", "alice")) != 18 {
			t.Errorf("carried out all the same: %v", err)
		}
		if _, err := p.bare("messages clear", actions.Request{Args: actions.Args{"user": "nobody"}}); actions.CodeOf(err) != "nothing-there" {
			t.Error(err)
		}
		for id, code := range map[string]string{"../../etc/passwd": "bad-id", "M-20200101T000000-000000": "no-such-export", "": "bad-id"} {
			if _, err := p.bare("messages restore", actions.Request{Args: actions.Args{"id": id}}); actions.CodeOf(err) != code {
				t.Errorf("%q: %v", id, err)
			}
		}
		names, err := p.keep.Names()
		p.must(err)
		path := p.keep.Path(names[0])
		whole, err := os.ReadFile(path)
		p.must(err)
		for _, i := range []int{5, bytes.IndexByte(whole, ':') + 5, bytes.Index(whole, []byte("\n\n")) + 20, len(whole) - 1} {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1
			p.must(os.WriteFile(path, damaged, 0o600))
			if _, err := p.bare("messages restore", actions.Request{Args: actions.Args{"id": strings.TrimSuffix(names[0], ".export")}}); actions.CodeOf(err) != "damaged" {
				t.Errorf("byte %d is another one: %v", i, err)
			}
		}
		r := p.ask("messages exports", actions.Args{})
		if r.Level != actions.Warn || !strings.Contains(r.Headline, "1 file cannot be used") {
			t.Errorf("%s: %s", r.Level, r.Headline)
		}
		p.must(os.WriteFile(path, whole, 0o600))
		if r := p.ask("messages exports", actions.Args{"user": "alice"}); r.Level != actions.OK || !strings.HasSuffix(r.Headline, " exports kept of alice") {
			t.Errorf("%s: %s %v", r.Level, r.Headline, r.Sections)
		}
	})

	t.Run("split cores", func(t *testing.T) {
		core, core2 := p.node("core1").Name, p.node("core2").Name
		for _, n := range [][2]string{{core, core2}, {core2, core}} {
			_, err := p.link.Call(t.Context(), n[0], "erlang", "set_cookie", term.Atom(n[1]), term.Atom("another"))
			p.must(err)
		}
		_, err := p.link.Call(t.Context(), core, "erlang", "disconnect_node", term.Atom(core2))
		p.must(err)
		p.eventually("they are split", func() bool {
			_, err := p.bare("messages clear", actions.Request{Args: alice})
			return actions.CodeOf(err) == "split"
		})
	})
}

func (p *postOffice) ask(name string, args actions.Args) actions.Result {
	p.Helper()
	for _, a := range p.c.Actions() {
		if a.Name == name {
			r, err := a.Look(p.Context(), actions.Request{Args: args, By: "operator", Now: time.Now()})
			if err != nil {
				p.Fatal(err)
			}
			return r
		}
	}
	p.Fatal("no action " + name)
	return actions.Result{}
}
