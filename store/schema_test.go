package store

import (
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"
)

// The tree in the package comment is the schema: the same buckets, and in the
// top bucket meta the same keys, no more and no fewer.
func TestTheTreeIsTheSchema(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	must(t, err)
	var drawn []string
	top := ""
	for line := range strings.Lines(file.Doc.Text()) {
		line, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		branch, found := strings.CutPrefix(strings.TrimPrefix(line, "├── "), "└── ")
		found = found || strings.HasPrefix(line, "├── ")
		name := strings.Fields(branch)[0]
		if !found {
			top = name
			drawn = append(drawn, top+"/")
			continue
		}
		drawn = append(drawn, top+"/"+name)
	}

	db := memory(t)
	must(t, db.SetHalt(t.Context(), &change.Halt{By: "operator"}))
	must(t, db.BeginMaintenance(t.Context(), change.Maintenance{Cluster: "main", Until: time.Unix(1, 0)}))
	var real []string
	must(t, db.bolt.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(top []byte, b *bbolt.Bucket) error {
			real = append(real, string(top)+"/")
			return b.ForEach(func(k, v []byte) error {
				name := string(top) + "/" + string(k)
				if v == nil {
					name += "/"
				}
				real = append(real, name)
				return nil
			})
		})
	}))
	slices.Sort(drawn)
	slices.Sort(real)
	for _, b := range layout {
		if name := b.String() + "/"; !slices.Contains(real, name) {
			t.Errorf("%s is in the layout, and not in the file", name)
		}
	}
	parts := slices.DeleteFunc(slices.Clone(real), func(name string) bool { return strings.Count(name, "/") != 2 })
	if len(parts)+1 != len(layout) { // and meta
		t.Errorf("the layout has %d buckets, the file %d", len(layout), len(parts)+1)
	}
	if diff := cmp.Diff(drawn, real); diff != "" {
		t.Errorf("the drawing (-) and the file (+):\n%s", diff)
	}
}

func TestMigrationsInOrderAndWhole(t *testing.T) {
	bolt, err := bbolt.Open(filepath.Join(t.TempDir(), "m.db"), 0o600, &bbolt.Options{NoSync: true})
	must(t, err)
	defer bolt.Close()
	at := func() (n uint64) {
		must(t, bolt.View(func(bt *bbolt.Tx) error {
			body, err := newTx(bt).get(bMeta, keySchema)
			n = number(body)
			return err
		}))
		return n
	}
	mark := func(name string) migration {
		return migration{name, func(t *tx) error { return t.put(bMeta, []byte(name), []byte(name)) }}
	}
	broken := migration{"broken", func(t *tx) error {
		return errors.Join(t.put(bMeta, []byte("half"), nil), errors.New("no"))
	}}
	list := []migration{migrations[0], mark("two"), broken, mark("four")}
	err = migrate(bolt, 0, list, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "schema 3 (broken)") || at() != 2 {
		t.Errorf("got %v at schema %d", err, at())
	}
	list[2] = mark("three")
	must(t, migrate(bolt, at(), list, func(string) {}))
	var names []string
	must(t, bolt.View(func(bt *bbolt.Tx) error {
		return newTx(bt).walk(bMeta, nil, func(key, _ []byte) error { names = append(names, string(key)); return nil })
	}))
	if diff := cmp.Diff([]string{"four", "schema", "three", "two"}, names); diff != "" || at() != 4 {
		t.Errorf("schema %d: %s", at(), diff)
	}
}

var updateTestdata = flag.Bool("update", false, "write the database of the newest schema to testdata")

// first writes something of everything that schema 1 can hold.
func first(t testing.TB, db *DB) {
	ctx := t.Context()
	value(db.Receive(ctx, delivery("d1", t0)))(t)
	value(db.Receive(ctx, delivery("d2", t0.Add(time.Second))))(t)
	inc, _, err := db.Declare(ctx, "main/no clients", declaring("no clients can connect", t0))
	must(t, err)
	inc = apply(t, db, inc, incident.Acked{By: "operator"}, t0.Add(time.Minute))
	inc = apply(t, db, inc, incident.Verified{By: "irisops", Summary: "edge1: refused"}, t0.Add(2*time.Minute))
	apply(t, db, inc, incident.Noted{By: "irisops", Kind: incident.KindDiagnosed, Text: "edge1 is down", Data: []byte(`{"level":"critical"}`)}, t0.Add(3*time.Minute))
	over := declare(t, db, "false alarm", t0)
	apply(t, db, over, incident.DeclaredResolved{By: "operator", Reason: "a test"}, t0.Add(time.Minute))
	under, done := page("P0/15m", t0), page("P0/0m", t0)
	under.State, under.Attempts = pager.Sending, 1
	done.State, done.Attempts, done.Sent = pager.Delivered, 1, t0.Add(time.Second)
	commitPages(t, db, under, done)
	run := request(t, db, "main/edge1")
	run.Steps = []runbook.StepRecord{{Name: "start edge1", Describe: "make start_edge1", State: runbook.StepStarted, Started: t0}}
	value(to(db, run, runbook.Running))(t)
	request(t, db, "main/core")
	must(t, db.Answer(ctx, "d1", t0.Add(time.Minute)))
	must(t, db.SetHalt(ctx, &change.Halt{By: "owner", At: t0, Reason: "look first"}))
}

// seen is all that can be read of it.
func seen(t testing.TB, db *DB) map[string]any {
	all := map[string]any{
		"open": value(db.OpenIncidents())(t), "last": value(db.LastIncidents(9))(t),
		"timeline": value(db.Timeline(1))(t), "due": value(db.Due(t0.Add(time.Hour), 0))(t),
		"pages": value(db.PagesOf("INC-1"))(t), "due pages": value(db.DuePages(t0, 0))(t),
		"runs":   value(db.Runs(runbook.Waiting, runbook.Running))(t),
		"holder": value(db.Holder("main/edge1"))(t), "unanswered": value(db.Unanswered())(t), "halt": value(db.Halted())(t),
	}
	_, all["existed"], _ = db.Declare(t.Context(), "main/no clients", declaring("x", t0))
	return all
}

// Databases of every schema there ever was open today, and say the same as one
// that is made today. A new schema adds its own file with -update.
func TestOldDatabases(t *testing.T) {
	fresh := memory(t)
	first(t, fresh)
	want := seen(t, fresh)
	audited(t, fresh, t0)
	if *updateTestdata {
		must(t, os.WriteFile(fmt.Sprintf("testdata/schema%d.db", len(migrations)), contentOf(t, fresh), 0o644))
	}
	files, err := filepath.Glob("testdata/schema*.db")
	must(t, err)
	if len(files) != len(migrations) {
		t.Errorf("testdata has %d databases, and there are %d schemas", len(files), len(migrations))
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			db := open(t, copied(t, name), Options{})
			if n := db.Notices(); len(n) != 0 {
				t.Errorf("notices: %q", n)
			}
			audited(t, db, t0)
			// Why a step never fired was not recorded at first.
			if diff := cmp.Diff(want, seen(t, db), cmpopts.IgnoreFields(incident.Step{}, "Dropped", "Because")); diff != "" {
				t.Errorf("made today (-), then (+):\n%s", diff)
			}
			if n := value(db.RecoverPages(t.Context()))(t); n != 1 {
				t.Errorf("%d pages recovered", n)
			}
			if inc := declare(t, db, "next", t0); inc.Number != 3 {
				t.Errorf("the next is %s", inc.ID())
			}
			audited(t, db, t0)
		})
	}
}

func copied(t testing.TB, name string) string {
	t.Helper()
	from, err := os.Open(name)
	must(t, err)
	defer from.Close()
	path := filepath.Join(t.TempDir(), "irisops.db")
	into, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = io.Copy(into, from)
	must(t, errors.Join(err, into.Close()))
	return path
}
