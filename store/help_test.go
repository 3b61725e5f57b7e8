package store

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// t0 is when tests begin: any fixed time.
var t0 = time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.UTC)

// children are the programs that this test binary plays in other processes.
var children = map[string]func(){}

const childVar = "IRISOPS_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVar); name != "" {
		children[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// open opens a database for the test, in a fresh folder if path is "".
func open(t testing.TB, path string, opts Options) *DB {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "data", "irisops.db")
	}
	db, err := Open(path, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// memory opens a database that does not wait for the disk.
func memory(t testing.TB) *DB { return open(t, "", Options{noSync: true}) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if actions.CodeOf(err) != code {
		t.Fatalf("error %v has code %q, want %q", err, actions.CodeOf(err), code)
	}
}

// audited fails the test if the audit finds anything wrong.
func audited(t testing.TB, db *DB, now time.Time) {
	t.Helper()
	for _, wrong := range value(db.Audit(now))(t) {
		t.Errorf("audit: %s", wrong)
	}
}

// policy is the P0 policy: primary at once, sre after 15 minutes, owner after 30.
func policy(now time.Time) []incident.Step {
	return []incident.Step{
		{Name: "P0/0m", Role: "primary", Due: now},
		{Name: "P0/15m", After: 15 * time.Minute, Role: "sre", Due: now.Add(15 * time.Minute)},
		{Name: "P0/30m", After: 30 * time.Minute, Role: "owner", Due: now.Add(30 * time.Minute)},
	}
}

// changed is the change of an incident by its effects.
func changed(inc incident.Incident, eff incident.Effects, now time.Time) change.Change {
	c := change.Change{Incident: &inc, Entries: eff.Entries}
	for _, call := range eff.Pages {
		c.Pages = append(c.Pages, pager.Page{
			Incident: inc.ID(), Step: call.Step, Role: call.Role, Person: "operator", Channel: "conversation",
			Text: call.Text, Queued: now, Due: call.Due, State: pager.Queued,
		})
	}
	return c
}

// declaring builds a P0 that is declared now.
func declaring(title string, now time.Time) func(uint64) change.Change {
	return func(n uint64) change.Change {
		inc, eff := incident.New(n, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: title, By: "operator", Clocks: incident.Clocks{Steps: policy(now)}}, now)
		return changed(inc, eff, now)
	}
}

func declare(t testing.TB, db *DB, title string, now time.Time) incident.Incident {
	t.Helper()
	inc, existed, err := db.Declare(t.Context(), "", declaring(title, now))
	must(t, err)
	if existed {
		t.Fatalf("%s existed", inc.ID())
	}
	return inc
}

// apply commits an event and returns the incident afterwards.
func apply(t testing.TB, db *DB, inc incident.Incident, event incident.Event, now time.Time) incident.Incident {
	t.Helper()
	next, eff, err := incident.Apply(inc, event, now)
	must(t, err)
	must(t, db.Commit(t.Context(), changed(next, eff, now)))
	next.Version++
	return next
}

// requesting builds a waiting run on the targets.
func requesting(targets ...string) func(uint64) change.Change {
	return func(n uint64) change.Change {
		return change.Change{Run: &runbook.Run{
			Number: n, Action: "restart", By: "operator", Class: actions.Do, Targets: targets, State: runbook.Waiting, Asked: t0,
		}}
	}
}

// fill sets every field below v to something that is not zero and differs from
// field to field.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(t0.Add(time.Duration(*n) * time.Second)))
		return
	case actions.Class:
		v.Set(reflect.ValueOf(actions.Harm))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d – ü", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(elem, n)
		v.SetMapIndex(key, elem)
	default:
		panic("fill: no value for " + v.Type().String())
	}
}
