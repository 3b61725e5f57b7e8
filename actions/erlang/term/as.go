package term

import (
	"math/big"
	"reflect"
	"strings"
	"unicode/utf8"
)

// AsInt is the integer t, if it is one that fits.
func AsInt(t Term) (int64, bool) {
	n, ok := t.(int64)
	return n, ok
}

// AsFloat is the number t, whether Erlang wrote it as an integer or as a float.
func AsFloat(t Term) (float64, bool) {
	switch t := t.(type) {
	case float64:
		return t, true
	case int64:
		return float64(t), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(t).Float64()
		return f, true
	}
	return 0, false
}

// AsBool is the atom true or false.
func AsBool(t Term) (value, ok bool) {
	return t == Atom("true"), t == Atom("true") || t == Atom("false")
}

// AsList is the proper list t, also when it arrived as a string.
func AsList(t Term) (List, bool) {
	switch t := t.(type) {
	case List:
		return t, true
	case string:
		l := make(List, len(t))
		for i := range len(t) {
			l[i] = int64(t[i])
		}
		return l, true
	}
	return nil, false
}

// AsString is the text of t, in UTF-8: of a binary, of a list of characters, or
// of both nested as in Erlang's chardata. Binaries that are not UTF-8 are read
// as Latin-1. Atoms are not text.
func AsString(t Term) (string, bool) {
	var b strings.Builder
	ok := appendText(&b, t, 0)
	return b.String(), ok
}

func appendText(b *strings.Builder, t Term, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch t := t.(type) {
	case []byte:
		if s := string(t); utf8.ValidString(s) {
			b.WriteString(s)
		} else {
			b.WriteString(latin1(s))
		}
		return true
	case string:
		b.WriteString(latin1(t))
		return true
	case List:
		for _, e := range t {
			if n, ok := e.(int64); ok {
				if n < 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
					return false
				}
				b.WriteRune(rune(n))
			} else if !appendText(b, e, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// Text is Go text as an Erlang string: the list of its characters, which is what
// functions that take file names want.
func Text(s string) Term {
	l := make(List, 0, len(s))
	for _, r := range s {
		l = append(l, int64(r))
	}
	return asString(l)
}

// Get is the value of a key in a map or in a property list, where a bare atom
// stands for {Atom, true}. Keys are compared as Decode gives them: an integer
// key is an int64.
func Get(t Term, key Term) (Term, bool) {
	switch t := t.(type) {
	case Map:
		for _, p := range t {
			if Equal(p.Key, key) {
				return p.Value, true
			}
		}
	case List:
		for _, e := range t {
			if tu, ok := e.(Tuple); ok && len(tu) == 2 && Equal(tu[0], key) {
				return tu[1], true
			}
			if a, ok := e.(Atom); ok && a == key {
				return Atom("true"), true
			}
		}
	}
	return nil, false
}

// Equal says whether two terms are the same, as Erlang's =:= does, for terms
// whose maps have their pairs in the same order.
func Equal(a, b Term) bool { return reflect.DeepEqual(a, b) }
