package host

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

func TestHostileWordsAreRefusedBeforeConnecting(t *testing.T) {
	s := newSSHD(t)
	r, ctx := s.remote(t), t.Context()
	refused := func(what string, n cluster.Node, errs ...error) {
		t.Helper()
		for _, err := range errs {
			if actions.CodeOf(err) != CodeBadValue {
				t.Errorf("%s: %v", what, err)
			} else if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\x00\u202e") {
				t.Errorf("%s: the error repeats the value: %.700q", what, err)
			}
		}
	}
	making := func(n cluster.Node) []error {
		_, err := r.MakeDryRun(ctx, n)
		return []error{r.Make(ctx, n), err}
	}
	more := append([]string{"a,b", "a+b"}, hostile...)
	for _, bad := range append([]string{"", "-n", "--eval=x", "A=b"}, more...) {
		n := there("/srv/iris")
		n.Target = bad
		refused(fmt.Sprintf("target %.20q", bad), n, making(n)...)
	}
	for _, bad := range more {
		n := there("/srv/iris")
		n.MakeVars = map[string]string{"CONFIG": bad}
		refused(fmt.Sprintf("value %.20q", bad), n, making(n)...)
		n.MakeVars = map[string]string{bad: "x"}
		refused(fmt.Sprintf("variable %.20q", bad), n, making(n)...)

		n = there("/srv/" + bad)
		_, tail := r.LogTail(ctx, n, 5)
		_, archive := r.ArchiveLog(ctx, n, three)
		_, _, process := r.Process(ctx, n)
		_, data := r.CoreData(ctx, n)
		_, facts := r.Facts(ctx, n)
		refused(fmt.Sprintf("folder %.20q", bad), n, append(making(n), tail, archive, process, data, facts)...)

		n = there("/srv/iris")
		n.Log = bad
		_, tail = r.LogTail(ctx, n, 5)
		_, archive = r.ArchiveLog(ctx, n, three)
		refused(fmt.Sprintf("log %.20q", bad), n, tail, archive)

		n = there("/srv/iris")
		n.Name = bad + "@h1"
		_, _, process = r.Process(ctx, n)
		_, data = r.CoreData(ctx, n)
		refused(fmt.Sprintf("name %.20q", bad), n, process, data)
	}
	n := there("/srv/iris")
	n.Dir = "srv/iris"
	_, tail := r.LogTail(ctx, n, 5)
	n.Dir, n.Log = "/srv/iris", "../x"
	_, up := r.LogTail(ctx, n, 5)
	p := cluster.Process{Host: "h2", PID: 1}
	elsewhere := cluster.Process{PID: 4711}
	refused("others", n, append(making(cluster.Node{Host: "h2"}), tail, up, r.Signal(ctx, p, cluster.Kill),
		r.Signal(ctx, elsewhere, cluster.Kill), r.WaitExit(ctx, elsewhere), r.Signal(ctx, cluster.Process{Host: "h2", PID: 4711}, "HUP"))...)
	if c := s.connections(); c != 0 {
		t.Errorf("%d connections", c)
	}
}

// No line of other characters is ever made, whatever it is made of.
func TestRemoteLinesHoldOnlySafeWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := words(rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9_@./:=-]{1,20}`))).Draw(t, "words"))
		safe := true
		for _, word := range w {
			safe = safe && word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@./:=-") == ""
		}
		line, err := w.line()
		if (err == nil) != safe || err == nil && line != strings.Join(w, " ") {
			t.Fatalf("%q became %q, %v", w, line, err)
		}
	})
}
