package config

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions/cluster"
)

// A file that gives no threshold has the checks' own, and every
// key reaches its own bound.
func TestThresholds(t *testing.T) {
	never := cmp.Transformer("never", func(b cluster.Bound) cluster.Bound {
		if b.Critical == 0 {
			b.Critical = math.Inf(1)
		}
		return b
	})
	if diff := cmp.Diff(cluster.DefaultBounds(), standard(t).Bounds(), never); diff != "" {
		t.Errorf("the checks' (-) and the file's (+):\n%s", diff)
	}
	f := newFiles(t)
	c, err := f.load(t, Shortest+"checks: {memory_warn: 1%, memory_critical: 2.5 %, run_queue_critical: off, clock_warn: 250ms, disk_free_critical: 1GiB, most_keys: 7, host_swap_warn: off, host_swap_critical: off}")
	if err != nil {
		t.Fatal(err)
	}
	want := cluster.DefaultBounds()
	want.Memory, want.RunQueue.Critical, want.Clock.Warn, want.DiskFree.Critical, want.MostKeys = cluster.Bound{Warn: 1, Critical: 2.5}, math.Inf(1), 0.25, 1<<30, 7
	want.HostSwap = cluster.Bound{Warn: math.Inf(1), Critical: math.Inf(1)}
	if diff := cmp.Diff(want, c.Checks.Bounds(), never); diff != "" {
		t.Errorf("wanted (-) and got (+):\n%s", diff)
	}
	// Every field of the bounds has its own key.
	var checks Checks
	b := cluster.Bounds{}
	if n := len(checks.figures(&b)) + 3; n != reflect.TypeFor[cluster.Bounds]().NumField() {
		t.Errorf("%d of %d bounds are in the file", n, reflect.TypeFor[cluster.Bounds]().NumField())
	}
	for i, one := range checks.figures(&b) {
		b := cluster.Bounds{}
		v := reflect.ValueOf(&checks).Elem()
		v.SetZero()
		for _, k := range checks.figures(&b)[i : i+1] {
			field := v.FieldByIndex(fieldOf(t, v.Type(), one.key+"_*"))
			field.Field(0).Set(reflect.ValueOf(float64(time.Second) * 3).Convert(field.Field(0).Type()))
			k.bound()
		}
		set := 0
		for j := range reflect.TypeFor[cluster.Bounds]().NumField() {
			if !reflect.ValueOf(b).Field(j).IsZero() {
				set++
			}
		}
		if set != 1 {
			t.Errorf("%s reaches %d bounds", one.key, set)
		}
	}
}

func fieldOf(t *testing.T, of reflect.Type, tag string) []int {
	for i := range of.NumField() {
		if of.Field(i).Tag.Get("yaml") == tag {
			return []int{i}
		}
	}
	t.Fatalf("no field with the keys %s", tag)
	return nil
}

func TestFigures(t *testing.T) {
	for text, want := range map[string]string{"60%": "60%", "0.5 %": "0.5%", "off": "never", "100%": "100%"} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err != nil || p.String() != want {
			t.Errorf("%q is %s, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{"1000": "1000", "0.5": "0.5", "off": "never"} {
		var n Number
		if err := n.UnmarshalText([]byte(text)); err != nil || n.String() != want {
			t.Errorf("%q is %s, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "-1", "1e9", "NaN", "Inf", "OFF", "1.2345", "%", "60%%"} {
		if err := new(Percent).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a percentage", text)
		}
		if err := new(Number).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a number", text)
		}
	}
}
