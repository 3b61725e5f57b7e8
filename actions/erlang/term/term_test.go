package term

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a node sends for some terms, byte by byte, as term_to_binary/1 of OTP 25
// gives it.
func TestExternalFormat(t *testing.T) {
	huge, _ := new(big.Int).SetString("-1208925819614629174706176", 10)
	for _, c := range []struct {
		name string
		wire string
		term Term
	}{
		{"small integer", "\x83a\xff", int64(255)},
		{"integer", "\x83b\xff\xff\xff\xff", int64(-1)},
		{"integer of 64 bits", "\x83n\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80", int64(math.MinInt64)},
		{"large integer", "\x83n\x0b\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", huge},
		{"float", "\x83F\x3f\xf8\x00\x00\x00\x00\x00\x00", 1.5},
		{"atom", "\x83w\x02ok", Atom("ok")},
		{"atom in UTF-8", "\x83w\x02\xc3\xa9", Atom("é")},
		{"binary", "\x83m\x00\x00\x00\x02hi", []byte("hi")},
		{"empty binary", "\x83m\x00\x00\x00\x00", []byte{}},
		{"string", "\x83k\x00\x02hi", "hi"},
		{"empty list", "\x83j", List{}},
		{"list", "\x83l\x00\x00\x00\x01w\x01aj", List{Atom("a")}},
		{"improper list", "\x83l\x00\x00\x00\x01w\x01aw\x01b", Improper{List{Atom("a")}, Atom("b")}},
		{"tuple", "\x83h\x02w\x01aa\x01", Tuple{Atom("a"), int64(1)}},
		{"empty tuple", "\x83h\x00", Tuple{}},
		{"map", "\x83t\x00\x00\x00\x01h\x01w\x01aa\x01", Map{{Tuple{Atom("a")}, int64(1)}}},
		{"pid", "\x83Xw\x03n@h\x00\x00\x00\x7b\x00\x00\x00\x00\x00\x00\x00\x05", NewPid("n@h", 123, 0, 5)},
		{"reference", "\x83Z\x00\x03w\x03n@h\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03", NewRef("n@h", 5, [3]uint32{1, 2, 3})},
		{"port", "\x83xw\x03n@h\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01", Opaque{"port", "xw\x03n@h\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01"}},
		{"bit string", "\x83M\x00\x00\x00\x01\x03\xa0", Opaque{"bitstring", "M\x00\x00\x00\x01\x03\xa0"}},
		{"exported fun", "\x83qw\x01mw\x01fa\x02", Opaque{"fun", "qw\x01mw\x01fa\x02"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, rest, err := Decode([]byte(c.wire + "rest"))
			if err != nil || string(rest) != "rest" {
				t.Fatalf("decode: %v, %q left", err, rest)
			}
			if diff := cmp.Diff(c.term, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
				t.Error(diff)
			}
			wire, err := Append(nil, c.term)
			if err != nil || string(wire) != c.wire {
				t.Errorf("encode: %q, %v", wire, err)
			}
			// Cut anywhere, it is an error, and no panic.
			for i := range len(c.wire) {
				if x, _, err := Decode([]byte(c.wire[:i])); err == nil {
					t.Errorf("%q decodes as %v", c.wire[:i], x)
				}
			}
		})
	}
}

// Forms that nodes of earlier times sent, or that have more than one way.
func TestOtherForms(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		term       Term
	}{
		{"Latin-1 atom", "\x83d\x00\x01\xe9", Atom("é")},
		{"long atom", "\x83v\x00\x02ok", Atom("ok")},
		{"float as text", "\x83c1.50000000000000000000e+00\x00\x00\x00\x00\x00", 1.5},
		{"small number in a big one", "\x83n\x01\x00\x07", int64(7)},
		{"small number in a large one", "\x83o\x00\x00\x00\x01\x01\x07", int64(-7)},
		{"string as a list", "\x83l\x00\x00\x00\x02a\x68a\x69j", "hi"},
		{"string in two parts", "\x83l\x00\x00\x00\x01a\x68k\x00\x01i", "hi"},
		{"list in two parts", "\x83l\x00\x00\x00\x01w\x01al\x00\x00\x00\x01w\x01bj", List{Atom("a"), Atom("b")}},
		{"empty string", "\x83k\x00\x00", List{}},
		{"list of nothing", "\x83l\x00\x00\x00\x00j", List{}},
	} {
		if got, _, err := Decode([]byte(c.wire)); err != nil || !Equal(got, c.term) {
			t.Errorf("%s: %#v, %v", c.name, got, err)
		}
	}
	// A list in parts as many as it has elements takes no longer than another.
	parts := strings.Repeat("l\x00\x00\x00\x01j", 200_000) + "j"
	if got, _, err := Decode([]byte("\x83" + parts)); err != nil || len(got.(List)) != 200_000 {
		t.Errorf("a list in many parts: %v", err)
	}
	pid, _, err := Decode([]byte("\x83gw\x03n@h\x00\x00\x00\x7b\x00\x00\x00\x02\x01"))
	if err != nil || pid.(Pid).Text != "<0.123.2>" || pid.(Pid).Node != "n@h" {
		t.Errorf("old pid: %#v, %v", pid, err)
	}
	ref, _, err := Decode([]byte("\x83r\x00\x01w\x03n@h\x01\x00\x00\x00\x07"))
	if err != nil || ref.(Ref).Node != "n@h" {
		t.Errorf("old reference: %#v, %v", ref, err)
	}
}

func TestBadInput(t *testing.T) {
	for name, wire := range map[string]string{
		"nothing":                  "",
		"another version":          "\x84a\x01",
		"unknown tag":              "\x83\xfa",
		"more elements than bytes": "\x83l\xff\xff\xff\xffa",
		"many of them, nested":     "\x83" + strings.Repeat("l\x00\x00\x01\x00", 300),
		"a binary beyond the end":  "\x83m\xff\xff\xff\xffx",
		"a fun without a length":   "\x83p\x00\x00\x00\x01",
		"a pid of no node":         "\x83Xa\x01\x00\x00\x00\x7b\x00\x00\x00\x00\x00\x00\x00\x05",
		"too deep":                 "\x83" + strings.Repeat("h\x01", 2000) + "a\x01",
	} {
		if x, _, err := Decode([]byte(wire)); err == nil {
			t.Errorf("%s: %v", name, x)
		}
	}
	deep := Term(Tuple{})
	for range 2000 {
		deep = Tuple{deep}
	}
	for name, x := range map[string]Term{
		"nil": nil, "a struct": struct{}{}, "infinity": math.Inf(1), "no number": math.NaN(),
		"a long atom": Atom(strings.Repeat("a", 256)), "a broken atom": Atom("\xff"),
		"a made-up pid": Pid{Node: "n@h"}, "nil inside": List{Tuple{Atom("a"), nil}}, "nil in a map": Map{{Atom("a"), nil}},
		"an improper list of nothing": Improper{Tail: Atom("a")}, "too deep": deep,
	} {
		if b, err := Append(nil, x); err == nil {
			t.Errorf("%s: %q", name, b)
		}
	}
}

func TestAppendTakesGoNumbers(t *testing.T) {
	for _, x := range []Term{7, int8(7), int16(7), int32(7), uint(7), uint8(7), uint16(7), uint32(7), uint64(7), big.NewInt(7)} {
		b, err := Append(nil, x)
		if err != nil || !bytes.Equal(b, []byte{131, 97, 7}) {
			t.Errorf("%T: %v, %v", x, b, err)
		}
	}
	b, err := Append(nil, List{true, false, uint64(math.MaxUint64)})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Decode(b)
	want := List{Atom("true"), Atom("false"), new(big.Int).SetUint64(math.MaxUint64)}
	if err != nil || !Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAs(t *testing.T) {
	for _, c := range []struct {
		term Term
		want string
		ok   bool
	}{
		{[]byte("жук"), "жук", true},
		{[]byte("\xe9t\xe9"), "été", true}, // a Latin-1 binary
		{"\xe9t\xe9", "été", true},         // characters, not bytes
		{List{int64(1078), int64(117)}, "жu", true},
		{List{[]byte("a"), "b", List{int64(99), []byte("d")}}, "abcd", true},
		{List{}, "", true},
		{List{int64(-1)}, "", false},
		{List{int64(0xd800)}, "", false},
		{Atom("ok"), "", false},
		{List{Atom("ok")}, "", false},
		{int64(65), "", false},
	} {
		if got, ok := AsString(c.term); ok != c.ok || ok && got != c.want {
			t.Errorf("AsString(%v) = %q, %v", c.term, got, ok)
		}
	}
	for _, s := range []string{"", "plain", "é", "/var/жук"} {
		if got, ok := AsString(Text(s)); !ok || got != s {
			t.Errorf("AsString(Text(%q)) = %q, %v", s, got, ok)
		}
	}
	if l, ok := AsList("ab"); !ok || !Equal(l, List{int64(97), int64(98)}) {
		t.Errorf("AsList: %v, %v", l, ok)
	}
	if _, ok := AsList(Tuple{}); ok {
		t.Error("a tuple is no list")
	}
	if b, ok := AsBool(Atom("false")); b || !ok {
		t.Error("false is a boolean")
	}
	if _, ok := AsBool(Tuple{}); ok {
		t.Error("a tuple is no boolean")
	}
	if f, ok := AsFloat(int64(2)); f != 2 || !ok {
		t.Error("2 is a number")
	}
	props := List{Tuple{Atom("size"), int64(3)}, Atom("bag"), Tuple{Tuple{Atom("k")}, Atom("v")}, int64(1)}
	for key, want := range map[Atom]Term{"size": int64(3), "bag": Atom("true"), "none": nil} {
		if got, ok := Get(props, key); ok != (want != nil) || got != want {
			t.Errorf("Get %s: %v, %v", key, got, ok)
		}
	}
	if got, _ := Get(props, Tuple{Atom("k")}); got != Atom("v") {
		t.Errorf("a tuple as key: %v", got)
	}
	if got, ok := Get(Map{{Tuple{Atom("k")}, int64(1)}}, Tuple{Atom("k")}); !ok || got != int64(1) {
		t.Errorf("a tuple as key of a map: %v", got)
	}
}

func TestFormatIsBounded(t *testing.T) {
	body := strings.Repeat("ж", 100)
	long := List{[]byte(body), Tuple{Atom("a"), Map{{Atom("k"), "text"}}}, Text(body), 1.5, NewPid("n@h", 1, 0, 0), strings.Repeat("\x01", 99)}
	whole := Format(long, 10_000)
	for max := 4; max < len(whole)+10; max++ {
		s := Format(long, max)
		if len(s) > max {
			t.Fatalf("%d bytes: %s", max, s)
		}
		if strings.ContainsRune(s, '\ufffd') || s != whole && !strings.HasSuffix(s, "...") {
			t.Fatalf("%d bytes: %s", max, s)
		}
	}
	want := `{badmatch,{ok,_,[_,_],#{k => _}}}`
	if got := Outline(Tuple{Atom("badmatch"), Tuple{Atom("ok"), []byte("dear Ann"), List{1.5, "Ann"}, Map{{Atom("k"), int64(5)}}}}, 100); got != want {
		t.Errorf("outline %s, want %s", got, want)
	}
	for _, c := range []struct {
		term Term
		want string
	}{
		{new(big.Int).Lsh(big.NewInt(1), 1_000_000), "#integer<1000001 bits>"},
		{Opaque{Kind: "fun"}, "#fun"}, {NewRef("n@h", 1, [3]uint32{}), "#Ref<n@h>"}, {struct{}{}, "#struct {}"},
	} {
		if got := Format(c.term, 100); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// Whatever arrives, decoding neither panics nor takes more memory than it may,
// and what it gives is what goes back.
func FuzzDecode(f *testing.F) {
	for _, t := range []Term{
		int64(-1), 1.5, Atom("a"), []byte("b"), "c", List{Atom("d"), Tuple{}}, Map{{Tuple{Atom("k")}, int64(1 << 40)}},
		Improper{List{Atom("a")}, Atom("b")}, NewPid("n@h", 1, 2, 3), NewRef("n@h", 1, [3]uint32{1, 2, 3}),
	} {
		b, err := Append(nil, t)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		x, rest, err := Decode(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		if len(rest) >= len(b) {
			t.Fatal("nothing was read")
		}
		_, _ = AsString(x)
		if s := Format(x, 200); len(s) > 200 {
			t.Fatalf("%d bytes: %s", len(s), s)
		}
		again, err := Append(nil, x)
		if err != nil {
			return // broken UTF-8 in an atom, say
		}
		y, _, err := Decode(again)
		if err != nil {
			t.Fatalf("%s does not read back: %v", Format(x, 200), err)
		}
		third, err := Append(nil, y)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s", Format(x, 200), Format(y, 200))
		}
	})
}
