package cluster_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/erlang"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
)

// oneCore are the faults of one core and two edges.
func oneCore(t *testing.T, rows *[]string) {
	f := newField(t)
	m := matrix{rows: rows}.on(f)
	c := m.c
	m.healthy()

	f.eval("edge1", `P = whereis(iris_circuit_breaker), sys:suspend(P), [P ! flood || _ <- lists:seq(1, 20000)], ok.`)
	m.look("mailbox flood", c, "mailbox flood on edge1: iris_circuit_breaker has 20,")
	f.eval("edge1", `sys:resume(iris_circuit_breaker).`)
	m.healthy()

	f.eval("edge2", `register(hog, spawn(fun() -> B = binary:copy(<<7>>, 200000000), receive stop -> byte_size(B) end end)).`)
	f.eventually("the hog holds its memory", func() bool {
		reply, err := f.link.Call(t.Context(), f.node("edge2").Name, "erlang", "memory", term.Atom("binary"))
		n, _ := term.AsInt(reply)
		return err == nil && n > 200_000_000
	})
	m.look("binary memory growth", c, "memory pressure on edge2: binaries are ")
	f.eval("edge2", `exit(whereis(hog), kill), {ok, done}.`)
	m.healthy()

	// Not through Mnesia, which would be overloaded by it.
	f.eval("core", `ets:insert(offline_msg, [{offline_msg, {<<"bob">>, I rem 1000}, 1700000000000 + I, <<"message ", (integer_to_binary(I))/binary>>} || I <- lists:seq(1, 199990)]),
		ets:insert(offline_msg, [{offline_msg, {<<"bob">>, 1010}, 1700000000000 + I, [<<"a">>, <<"bc">>]} || I <- lists:seq(1, 10)]), {ok, done}.`)
	m.look("200,000 messages for one user", c, "stuck user: 200,000 of 200,000 waiting messages are for bob")
	box := f.ask(c, "messages show", actions.Args{"user": "bob", "deep": "true"}).Data.(cluster.Mailbox)
	if box.Records != 200_000 || box.Messages != 200_010 || len(box.Buckets) != 1001 || box.Orphans == 0 || box.Count != 1 {
		t.Errorf("deep: %d records, %d messages, %d buckets, %d orphans of count %d", box.Records, box.Messages, len(box.Buckets), box.Orphans, box.Count)
	}
	if box := f.ask(c, "messages show", actions.Args{"user": "bob"}).Data.(cluster.Mailbox); len(box.Buckets) != 16 {
		t.Errorf("%d buckets without --deep", len(box.Buckets))
	}
	shown := f.ask(c, "messages show", actions.Args{"user": "bob", "contents": "true"})
	if said := shown.Data.(cluster.Mailbox).Contents; len(said) != 50 || !strings.HasPrefix(said[0].Text, `"message `) || said[0].Bytes != int64(len(said[0].Text)-2) {
		t.Errorf("contents: %d, %+v", len(said), said[:min(len(said), 2)])
	}
	if got := fmt.Sprint(shown.Sections); !strings.Contains(got, "message 1") || !strings.Contains(got, "more are not shown") {
		t.Errorf("contents: %.2000s", got)
	}
	if r := f.ask(c, "messages show", actions.Args{"user": "bob"}); strings.Contains(fmt.Sprint(r), "message 1") {
		t.Error("contents are shown to somebody who did not ask for them")
	}
	if r := f.ask(c, "messages size", nil); r.Headline != "200,000 records waiting on core" {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "mnesia", nil); r.Level != actions.OK || !strings.Contains(r.Headline, "core runs with core: 7 tables, 200,0") {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "presence size", nil); !strings.HasSuffix(r.Headline, "(presence in ETS)") {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "presence", actions.Args{"user": "bob"}); r.Headline != "bob is not connected" || r.Level != "" {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "diagnose", actions.Args{"mode": "node", "node": "core", "plot": "true"}); !strings.Contains(fmt.Sprint(r.Sections), "█") || !strings.Contains(fmt.Sprint(r.Sections), "Busiest processes") {
		t.Errorf("no plot: %v", r.Sections)
	}
	f.eval("core", `mnesia:clear_table(offline_msg).`)
	m.healthy()

	m.look("wrong cookie", f.strict(f.connect("another_cookie")), "wrong cookie: all 3 nodes turn irisops away")

	// One node with another cookie: only who has that one gets in to mend it.
	edge2 := term.Atom(f.node("edge2").Name)
	setCookie := func(link *erlang.Link, cookie term.Atom) {
		_, err := link.Call(t.Context(), string(edge2), "erlang", "set_cookie", edge2, cookie)
		f.must(err)
	}
	setCookie(f.link, "another_cookie")
	m.look("wrong cookie on one node", f.strict(f.connect(lab.Cookie)), "wrong cookie: edge2 turns irisops away; core, edge1 healthy")
	setCookie(f.connect("another_cookie"), lab.Cookie)
	m.healthy()

	_, err := f.lab.Partition(t.Context(), []string{"core"}, []string{"edge1"})
	f.must(err)
	m.look("partition, one core", c, "network partition: edge1 is cut off from core; core, edge2 healthy")
	_, err = f.lab.Heal(t.Context())
	f.must(err)
	m.healthy()

	f.must(f.lab.Pause(t.Context(), "core"))
	m.look("core paused", c, "core hung: pid ")
	f.must(f.lab.Resume(t.Context(), "core"))
	m.healthy()

	f.kill("edge1")
	m.look("edge killed", c, "edge1 down; core, edge2 healthy")
	squatter, err := net.Listen("tcp", f.node("edge1").Addr())
	f.must(err)
	m.look("edge killed, port taken", c, fmt.Sprintf("edge1 down, and another program holds its port %d", f.node("edge1").Port))
	squatter.Close()
	f.eval("core", `[mnesia:dirty_write({user_status, integer_to_binary(I), I}) || I <- lists:seq(1, 100000)], {ok, done}.`)
	m.look("Mnesia overload, and the edge still down", c, "edge1 down; Mnesia overload on core: ", "reports of an overloaded Mnesia")
	f.kill("core")
	m.look("core killed too", c, "core, edge1 down")
	f.act(c, "start", "all", actions.Do)

	status, err := f.lab.Status(t.Context())
	f.must(err)
	f.must(syscall.Kill(status.EPMD, syscall.SIGTERM))
	f.eventually("epmd ends", func() bool { return syscall.Kill(status.EPMD, 0) != nil })
	m.look("epmd gone", f.strict(f.connect(lab.Cookie)), "epmd is gone on "+hostOf(f.node("core")))

	for _, n := range f.spec.Nodes {
		f.kill(n.Short)
	}
	m.look("all killed", c, "whole cluster down: no node answers")
}
