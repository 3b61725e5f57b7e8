package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
)

func TestMask(t *testing.T) {
	m := newMasker([]string{"s3cr3tcookie", "abc"})
	for _, tt := range []struct{ text, want string }{
		{"erl -sname a -setcookie iris_secret -config x", "erl -sname a -setcookie *** -config x"},
		{"make start COOKIE=hello CONFIG=config/prod", "make start COOKIE=*** CONFIG=config/prod"},
		{"{cookie,hello}", "{cookie,***}"},
		{`{jwt_secret,"xyz"}`, `{jwt_secret,"***"}`},
		{"#{jwt_secret => xyz}", "#{jwt_secret => ***}"},
		{"the s3cr3tcookie leaks", "the *** leaks"},
		{"abc stays: it is too short to be masked", "abc stays: it is too short to be masked"},
		{"token eyJhbGciOi.eyJzdWIi.c2ln end", "token *** end"},
		{`"cookie":"hello"`, `"cookie":"***"`},
		{"no cookie is set here", "no cookie is set here"},
		{"wrong cookie: all nodes", "wrong cookie: all nodes"},
		{"auth-cookie mismatch", "auth-cookie mismatch"},
	} {
		if got := m.line(tt.text); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
	for _, tt := range []struct {
		text     string
		fragment bool
		want     string
	}{
		{`state: {data,#Port<0.5>,<<"bob">>,<<"hi there">>}`, false, `state: {data,#Port<0.5>,<<***>>,<<***>>}`},
		{"msg <<\"a long\"\n      \" message\">> end", false, "msg <<***>> end"},
		{`<<1,2,3>> and <<>> and <<"x"/utf8>> and <<5,6,...>>`, false, `<<***>> and <<***>> and <<***>> and <<***>>`},
		{`<<"quote \" and >> inside">> out`, false, `<<***>> out`},
		{`Rate limited for <<"bob">> here`, false, `Rate limited for <<"bob">> here`},
		{`WAL write failed for user <<"bob">>: {bad,<<"body">>}`, false, `WAL write failed for user <<"bob">>: {bad,<<***>>}`},
		{`sent for <<"a body with spaces">>`, false, `sent for <<***>>`},
		{`cut off <<"half a bo`, false, `cut off <<***>>`},
		{"half a body\">>,<<\"next\">>} tail\nplain text\n    1,2,3,\n 4>>}", true, "***\nplain text\n***\n***"},
		{"pid <0.123.0> and a << b", false, "pid <0.123.0> and a <<***>>"},
	} {
		if got := m.log(tt.text, tt.fragment); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

// No body that stands in a log as an Erlang binary is shown, wherever it stands.
func TestMaskBodies(t *testing.T) {
	const body = "SECRETBODY"
	rapid.Check(t, func(t *rapid.T) {
		noise := rapid.StringMatching(`[a-z{}\[\],.#<0-9 \n=>]{0,20}`)
		before := strings.ReplaceAll(noise.Draw(t, "before"), "<<", "")
		quoted := rapid.SampledFrom([]string{
			`<<"` + body + `">>`, `<<"x` + body + `"/utf8>>`, "<<\"x\"\n  \"" + body + `">>`, `<<"\"` + body + `>>">>`, `<<"` + body, `{a,<<"` + body + `"...>>}`,
			`for <<"a ` + body + `">>`,
		}).Draw(t, "quoted")
		text := before + quoted + noise.Draw(t, "after")
		if got := (masker{}).log(text, false); strings.Contains(got, body) {
			t.Fatalf("%q shows as %q", text, got)
		}
		// The same where the read begins in the middle of it.
		start := rapid.IntRange(0, len(text)).Draw(t, "start")
		if fragment := text[start:]; strings.Contains(fragment, body) && strings.Contains(fragment, `">>`) {
			if got := (masker{}).log(fragment, true); strings.Contains(got, body) {
				t.Fatalf("fragment %q shows as %q", fragment, got)
			}
		}
	})
}

// coreLog is what a core of IRIS writes, as seen on OTP 25, with os_mon's noise.
func coreLog(at time.Time, noise int) []string {
	stamp := func(d time.Duration) string { return at.Add(d).Format("2-Jan-2006::15:04:05.000000") }
	lines := []string{
		"=INFO REPORT==== " + stamp(-time.Hour) + " ===",
		"    application: mnesia",
		"    exited: stopped",
		"    type: temporary",
		"",
	}
	for i := range noise {
		lines = append(lines, "=WARNING REPORT==== "+stamp(-30*time.Minute+time.Duration(i)*time.Second)+" ===", fmt.Sprintf("OS_MON (cpu_sup) called by <0.%d.0>, not started", i), "")
	}
	return append(lines,
		"=SUPERVISOR REPORT==== "+stamp(-5*time.Minute)+" ===",
		"    supervisor: {local,iris_edge_sup}",
		"    errorContext: start_error",
		"    reason: {{badmatch,{error,eaddrinuse}},",
		`             [{iris_edge_conn,handle,[<<"a private message">>],[]}]}`,
		"=WARNING REPORT==== "+stamp(-4*time.Minute)+" ===",
		"Router: CACHE MISS for <<\"bob\">> - Fallback to RPC",
	)
}

func TestReadLog(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	lines := coreLog(now, 400)
	tail := readLog(lines, 5000, time.UTC, masker{})
	text, folded := tail.text()
	if folded != 1200 {
		t.Errorf("%d lines folded", folded)
	}
	want := []string{
		"=INFO REPORT==== 23-Nov-2026::05:30:00.000000 ===",
		"    application: mnesia",
		"    exited: stopped",
		"    type: temporary",
		"=SUPERVISOR REPORT==== 23-Nov-2026::06:25:00.000000 ===",
		"    supervisor: {local,iris_edge_sup}",
		"    errorContext: start_error",
		"    reason: {{badmatch,{error,eaddrinuse}},",
		"             [{iris_edge_conn,handle,[<<***>>],[]}]}",
		"=WARNING REPORT==== 23-Nov-2026::06:26:00.000000 ===",
		`Router: CACHE MISS for <<"bob">> - Fallback to RPC`,
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	bad := tail.bad()
	if len(bad) != 1 || bad[0].gist() != "reason: {{badmatch,{error,eaddrinuse}}," || !bad[0].at.Equal(now.Add(-5*time.Minute)) {
		t.Errorf("%+v", bad)
	}
	if recent := tail.since(now.Add(-270 * time.Second)); len(recent) != 1 {
		t.Errorf("%+v", recent)
	}
}

func TestReadLogOtherShapes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		bad   int
		gist  string
		fold  int
	}{
		{name: "empty"},
		{name: "single-line handler", lines: []string{"2026-11-23T06:28:34.406779+00:00 error: it broke", "2026-11-23T06:28:35+00:00 info: fine"}, bad: 1, gist: "2026-11-23T06:28:34.406779+00:00 error: it broke"},
		{name: "dying VM", lines: []string{"Kernel pid terminated (application_controller) (x)", "", "Crash dump is being written to: erl_crash.dump...done"}, bad: 1, gist: "Kernel pid terminated (application_controller) (x)"},
		{name: "noise without heads", lines: []string{"OS_MON (cpu_sup) called by <0.9.0>, not started", "OS_MON (memsup) called by <0.9.0>, not started", "hello"}, fold: 2},
		{name: "noise of the single-line handler", lines: []string{"2026-11-23T06:28:34+00:00 warning: OS_MON (cpu_sup) called by <0.9.0>, not started"}, fold: 1},
		{name: "os_mon in an error is no noise", lines: []string{"=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ===", "OS_MON (cpu_sup) called by <0.9.0>, not started"}, bad: 1, gist: "OS_MON (cpu_sup) called by <0.9.0>, not started"},
		{name: "a warning that goes on is no noise", lines: []string{"=WARNING REPORT==== 23-Nov-2026::06:28:34.315466 ===", "OS_MON (cpu_sup) called by <0.9.0>, not started", "and more"}},
		{name: "irisops turned away", lines: []string{"=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ===", "** Connection attempt from node 'irisops-61001@vm' rejected. Invalid challenge reply. **"}},
		{name: "another node turned away", lines: []string{"=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ===", "** Connection attempt from node 'x@vm' rejected. Invalid challenge reply. **"}, bad: 1,
			gist: "** Connection attempt from node 'x@vm' rejected. Invalid challenge reply. **"},
		{name: "not a date", lines: []string{"=ERROR REPORT==== 99-Foo-2026::06:28:34.315466 ===", "x"}},
		{name: "old utc report", lines: []string{"=CRASH REPORT==== 3-Nov-2026::06:28:34 UTC ===", "  crasher:", "    exception error: badarg"}, bad: 1, gist: "exception error: badarg"},
	} {
		tail := readLog(tt.lines, 5000, time.UTC, masker{})
		_, folded := tail.text()
		bad := tail.bad()
		if len(bad) != tt.bad || folded != tt.fold {
			t.Errorf("%s: %d bad, %d folded: %+v", tt.name, len(bad), folded, tail)
			continue
		}
		if tt.bad > 0 && bad[0].gist() != tt.gist {
			t.Errorf("%s: %s", tt.name, bad[0].gist())
		}
	}
}

// Whatever a log holds, reading it neither fails nor loses a line in silence.
func TestReadLogKeepsEveryLine(t *testing.T) {
	line := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"=WARNING REPORT==== 23-Nov-2026::06:28:34.315466 ===", "OS_MON (cpu_sup) called by <0.9.0>, not started", "", "text", "=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ==="}),
	)
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(line).Draw(t, "lines")
		tail := readLog(lines, 5000, time.UTC, masker{})
		n := 0
		for _, e := range tail {
			n += len(e.lines)
			e.gist()
		}
		blank := 0
		for _, l := range lines {
			if strings.TrimRight(l, "\n") == "" {
				blank++
			}
		}
		// A binary over several lines becomes one; blank lines at an entry's end go.
		if !strings.Contains(strings.Join(lines, "\n"), "<<") && !strings.Contains(strings.Join(lines, ""), "\n") && (n > len(lines) || n < len(lines)-blank) {
			t.Fatalf("%d lines became %d: %q -> %+v", len(lines), n, lines, tail)
		}
	})
}

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{Zone: time.UTC}, core("core"), edge("edge1", 8085))
		w.get("core").log = coreLog(time.Now().UTC(), 400)
		for _, tt := range []struct {
			args     actions.Args
			headline string
			lines    int
			last     string
		}{
			{actions.Args{"node": "core"}, "core.log: 11 lines; 1 error; 1200 lines of OS_MON noise folded", 11, `Router: CACHE MISS for <<"bob">> - Fallback to RPC`},
			{actions.Args{"node": "core", "n": "2"}, "core.log: 2 lines; 9 lines before them not shown; 1 error; 1200 lines of OS_MON noise folded", 2, `Router: CACHE MISS for <<"bob">> - Fallback to RPC`},
			{actions.Args{"node": "core", "since": "15m0s"}, "core.log: 7 lines in the last 15 min; 1 error", 7, `Router: CACHE MISS for <<"bob">> - Fallback to RPC`},
			{actions.Args{"node": "iris_core", "grep": "EADDRINUSE"}, `core.log: 1 line with "EADDRINUSE"; 1 error; 1200 lines of OS_MON noise folded`, 1, "    reason: {{badmatch,{error,eaddrinuse}},"},
			{actions.Args{"node": "core", "grep": "private"}, `core.log: 0 lines with "private"; 1 error; 1200 lines of OS_MON noise folded`, 0, ""},
			{actions.Args{"node": "edge1"}, "edge1.log: 0 lines", 0, ""},
		} {
			r := do(t, c, "logs", tt.args)
			if r.Headline != tt.headline {
				t.Errorf("%v\n got %s\nwant %s", tt.args, r.Headline, tt.headline)
			}
			var lines []string
			if len(r.Sections) > 0 {
				lines = r.Sections[0].Lines
			}
			if len(lines) != tt.lines || len(lines) > 0 && lines[len(lines)-1] != tt.last {
				t.Errorf("%v: %q", tt.args, lines)
			}
		}
		w.get("core").logErr = &actions.Error{Code: "no-log", Text: "There is no log core.log in /srv/iris."}
		for _, tt := range []struct {
			args actions.Args
			want string
		}{
			{actions.Args{"node": "core"}, "The log of core cannot be read: There is no log core.log in /srv/iris."},
			{actions.Args{"node": "edge7"}, `main has no node "edge7". Say one of: core, edge1, edge, all.`},
			{actions.Args{}, "Whose log? For example: logs edge1."},
			{actions.Args{"node": "core", "n": "0"}, `"0" is not a number of lines. For example: -n 50.`},
			{actions.Args{"node": "core", "since": "soon"}, `"soon" is not a length of time. For example: --since 15m.`},
		} {
			_, err := action(t, c, "logs").Look(context.Background(), actions.Request{Args: tt.args})
			if err == nil || err.Error() != tt.want {
				t.Errorf("%v: %v", tt.args, err)
			}
		}
	})
}

// A log that was begun anew is read together with the one before it, as far as
// was asked for.
func TestLogsBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{Zone: time.UTC}, core("core"), edge("edge1", 8085))
		at := func(ago time.Duration, text string) []string {
			return []string{"=ERROR REPORT==== " + time.Now().UTC().Add(-ago).Format("2-Jan-2006::15:04:05.000000") + " ===", text}
		}
		<-time.After(time.Hour) // fake time
		w.get("core").log = at(2*time.Minute, "after the start")
		w.get("core").older = append(at(time.Hour, "long before"), at(5*time.Minute, "why it died")...)
		for _, tt := range []struct {
			args     actions.Args
			headline string
			first    string
		}{
			{actions.Args{"node": "core", "since": "10m0s"}, "core.log: 4 lines in the last 10 min; it was begun anew meanwhile: the first of them are from core.log.1; 2 errors", "why it died"},
			{actions.Args{"node": "core"}, "core.log: 6 lines; it was begun anew meanwhile: the first of them are from core.log.1; 3 errors", "long before"},
			{actions.Args{"node": "core", "n": "2"}, "core.log: 2 lines; 1 error", "after the start"},
			{actions.Args{"node": "core", "grep": "zzz"}, `core.log: 0 lines with "zzz"; it was begun anew meanwhile: core.log.1 was looked through, too; 3 errors`, ""},
			{actions.Args{"node": "edge1"}, "edge1.log: 0 lines", ""},
		} {
			r := do(t, c, "logs", tt.args)
			if r.Headline != tt.headline {
				t.Errorf("%v\n got %s\nwant %s", tt.args, r.Headline, tt.headline)
			}
			if tt.first != "" && r.Sections[0].Lines[1] != tt.first {
				t.Errorf("%v: %q", tt.args, r.Sections[0].Lines)
			}
		}
	})
}
