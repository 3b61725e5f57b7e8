package erlang

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"irisops/actions/erlang/term"
)

// anyTerm draws terms as Decode gives them.
func anyTerm(depth int) *rapid.Generator[term.Term] {
	kinds := []*rapid.Generator[term.Term]{
		rapid.Map(rapid.SampledFrom([]string{"ok", "true", "iris_core@h1", "", "with space", "é", "Ω'\\", strings.Repeat("ж", 255)}),
			func(s string) term.Term { return term.Atom(s) }),
		rapid.Map(rapid.Int64(), func(n int64) term.Term { return n }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 9, 300), func(b []byte) term.Term {
			n := new(big.Int).SetBytes(b)
			n.SetBit(n, 70, 1) // too large for int64
			if b[0]%2 == 0 {
				n.Neg(n)
			}
			return n
		}),
		rapid.Map(rapid.Float64(), func(f float64) term.Term { return f }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) term.Term { return append([]byte{}, b...) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, -1), func(b []byte) term.Term { return string(b) }),
	}
	if depth > 0 {
		items := rapid.SliceOfN(anyTerm(depth-1), 0, 5)
		kinds = append(kinds,
			rapid.Map(items, func(ts []term.Term) term.Term {
				// A list that is no string.
				if len(ts) == 0 {
					return term.List{}
				}
				return append(term.List{term.Atom("first")}, ts...)
			}),
			rapid.Map(items, func(ts []term.Term) term.Term { return append(term.Tuple{}, ts...) }),
			rapid.Map(items, func(ts []term.Term) term.Term {
				return term.Improper{Items: append(term.List{int64(-1)}, ts...), Tail: term.Atom("tail")}
			}),
			rapid.Map(items, func(ts []term.Term) term.Term {
				m := term.Map{}
				for i, t := range ts { // keys of all kinds, each once
					m = append(m, term.Pair{Key: term.Tuple{int64(i), t}, Value: t})
				}
				return m
			}),
		)
	}
	return rapid.OneOf(kinds...)
}

// sorted puts the pairs of all maps in an order that is ours: nodes have their own.
func sorted(t term.Term) term.Term {
	switch t := t.(type) {
	case term.List:
		for i := range t {
			t[i] = sorted(t[i])
		}
	case term.Tuple:
		for i := range t {
			t[i] = sorted(t[i])
		}
	case term.Improper:
		sorted(t.Items)
	case term.Map:
		for i := range t {
			t[i] = term.Pair{Key: sorted(t[i].Key), Value: sorted(t[i].Value)}
		}
		slices.SortFunc(t, func(a, b term.Pair) int {
			x, _ := term.Append(nil, a.Key)
			y, _ := term.Append(nil, b.Key)
			return bytes.Compare(x, y)
		})
	}
	return t
}

func TestTermsComeBackFromNode(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	ctx := within(t, long)
	rapid.Check(t, func(rt *rapid.T) {
		want := anyTerm(3).Draw(rt, "term")
		got, err := l.Call(ctx, n.name, "lists", "last", term.List{term.Atom("x"), want})
		if err != nil {
			rt.Fatal(err)
		}
		if !term.Equal(sorted(got), sorted(want)) {
			rt.Fatalf("sent %s\n got %s", term.Format(want, 1000), term.Format(got, 1000))
		}
	})
	// The sizes at which the external format changes.
	for _, size := range []int{1, 255, 256, 65533, 65534, 65535, 65536, 100_000} {
		want := strings.Repeat("\x07", size)
		got, err := l.Call(ctx, n.name, "lists", "last", term.List{want})
		if err != nil || got != want {
			t.Errorf("a string of %d characters: %.80v, %v", size, got, err)
		}
		if size > 256 {
			continue
		}
		tuple := make(term.Tuple, size)
		for i := range tuple {
			tuple[i] = int64(i)
		}
		if got, err := l.Call(ctx, n.name, "lists", "last", term.List{tuple}); err != nil || !term.Equal(got, tuple) {
			t.Errorf("a tuple of %d elements: %.80v, %v", size, got, err)
		}
	}
}

func TestNodesOwnTermsGoBack(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	ctx := within(t, long)
	n.eval("register(console, self())")
	console, err := l.Call(ctx, n.name, "erlang", "whereis", term.Atom("console"))
	if err != nil {
		t.Fatal(err)
	}
	pid, ok := console.(term.Pid)
	if !ok || pid.Node != n.name || pid.Text != n.eval("self()") {
		t.Errorf("got %#v, and it is %s", console, n.eval("self()"))
	}
	if _, err := l.Call(ctx, n.name, "erlang", "send", pid, term.Tuple{term.Atom("deliver_msg"), []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if got := n.eval("receive M -> M after 5000 -> nothing end"); got != `{deliver_msg,<<"hello">>}` {
		t.Errorf("the process received %s", got)
	}
	// What Go has no type for, and references of all lengths.
	n.eval(`persistent_term:put(own, [make_ref(), alias(), hd(erlang:ports()), fun lists:map/2, fun(X) -> X end, <<5:3>>, [a|b], {self(), 1}])`)
	own, err := l.Call(ctx, n.name, "persistent_term", "get", term.Atom("own"))
	if err != nil {
		t.Fatal(err)
	}
	same, err := l.Call(ctx, n.name, "erlang", "=:=", own, own)
	if err != nil || same != term.Atom("true") {
		t.Errorf("%v, %v", same, err)
	}
	for i, e := range own.(term.List) {
		one, err := l.Call(ctx, n.name, "lists", "nth", i+1, term.List(own.(term.List)))
		if err != nil || !term.Equal(one, e) {
			t.Errorf("%s: %v, %v", term.Format(e, 100), one, err)
		}
		if _, err := l.Call(ctx, n.name, "persistent_term", "put", term.Tuple{term.Atom("back"), i}, e); err != nil {
			t.Error(err)
		}
		if got := n.eval(fmt.Sprintf("lists:nth(%d, persistent_term:get(own)) =:= persistent_term:get({back, %d})", i+1, i)); got != "true" {
			t.Errorf("element %d came back as another term: %s", i, term.Format(e, 100))
		}
	}
}

func TestFormatIsAsTheShellPrints(t *testing.T) {
	n := bootNode(t, "+pc", "unicode", "-sname", "%s")
	l := newLink(t)
	for _, expr := range []string{
		"ok", "'Ok'", "'with space'", `'it\'s'`, "'end'", "[]", "{}", "\"\"", "\"text\"", `"a\"b\\c\nd"`, "[1,2,3]", "[104,105|x]",
		"<<>>", "<<\"bin\">>", "<<\"жук\"/utf8>>", "<<1,2,255>>", "#{}", "#{a => 1}", "{a,[b,{c}],<<\"d\">>,1.5}", "1.0", "0.1", "1.0e10",
		"1.0e22", "1.0e-7", "-0.0", "123456789.125", "-5", "1208925819614629174706176", "[{offline_msg,12},{presence,0}]", "'ждать'", "a@b", "[\"a\",\"b\"]",
	} {
		n.eval("persistent_term:put(x, " + expr + ")")
		got, err := l.Call(within(t, long), n.name, "persistent_term", "get", term.Atom("x"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := term.Format(got, 1000), n.eval(expr); got != want {
			t.Errorf("%s prints as %s, want %s", expr, got, want)
		}
	}
	ctx := within(t, long)
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-30, 30), func(e int) float64 { return math.Pow10(e) }),
			rapid.Map(rapid.IntRange(-1e6, 1e6), func(i int) float64 { return float64(i) / 1000 })).Draw(rt, "float")
		printed, err := l.Call(ctx, n.name, "io_lib", "format", "~p", term.List{f})
		if err != nil {
			rt.Fatal(err)
		}
		if want, _ := term.AsString(printed); term.Format(f, 100) != want {
			rt.Fatalf("%v prints as %s, want %s", f, term.Format(f, 100), want)
		}
	})
}
