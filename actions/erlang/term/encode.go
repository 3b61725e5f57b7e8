package term

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"
)

// Append writes t to b in external format, with its leading version byte. It
// fails on what no Erlang term is: nil, other Go types, infinite floats, atoms
// of more than 255 characters.
func Append(b []byte, t Term) ([]byte, error) {
	return appendTerm(append(b, formatVersion), t, 0)
}

func appendTerm(b []byte, t Term, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	switch t := t.(type) {
	case Atom:
		if utf8.RuneCountInString(string(t)) > 255 || !utf8.ValidString(string(t)) {
			return nil, errors.New("an atom is at most 255 characters of valid UTF-8")
		}
		return appendAtom(b, string(t)), nil
	case bool:
		return appendAtom(b, fmt.Sprint(t)), nil
	case int64:
		return appendInt(b, t), nil
	case int, int8, int16, int32, uint8, uint16, uint32, uint, uint64, *big.Int:
		return appendBig(b, toBig(t)), nil
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return nil, fmt.Errorf("%v is not an Erlang float", t)
		}
		return binary.BigEndian.AppendUint64(append(b, tagNewFloat), math.Float64bits(t)), nil
	case []byte:
		return append(appendLen(b, tagBinary, len(t)), t...), nil
	case string:
		return appendString(b, t), nil
	case List:
		if len(t) == 0 {
			return append(b, tagNil), nil
		}
		b, err := appendTerms(appendLen(b, tagList, len(t)), t, depth)
		return append(b, tagNil), err
	case Improper:
		if len(t.Items) == 0 {
			return nil, errors.New("an improper list has at least one element")
		}
		b, err := appendTerms(appendLen(b, tagList, len(t.Items)), t.Items, depth)
		if err != nil {
			return nil, err
		}
		return appendTerm(b, t.Tail, depth+1)
	case Tuple:
		if len(t) < 256 {
			return appendTerms(append(b, tagSmallTuple, byte(len(t))), t, depth)
		}
		return appendTerms(appendLen(b, tagLargeTuple, len(t)), t, depth)
	case Map:
		b = appendLen(b, tagMap, len(t))
		for _, p := range t {
			var err error
			if b, err = appendTerms(b, []Term{p.Key, p.Value}, depth); err != nil {
				return nil, err
			}
		}
		return b, nil
	case Pid:
		return appendRaw(b, t.Raw)
	case Ref:
		return appendRaw(b, t.Raw)
	case Opaque:
		return appendRaw(b, t.Raw)
	}
	return nil, fmt.Errorf("a Go %T is not an Erlang term", t)
}

func appendTerms(b []byte, ts []Term, depth int) ([]byte, error) {
	var err error
	for _, t := range ts {
		if b, err = appendTerm(b, t, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendLen(b []byte, tag byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, tag), uint32(n))
}

func appendRaw(b []byte, raw any) ([]byte, error) {
	s, ok := raw.(string)
	if !ok || s == "" {
		return nil, errors.New("a pid, reference or opaque term that did not come from a node")
	}
	return append(b, s...), nil
}

func appendAtom(b []byte, s string) []byte {
	if len(s) < 256 {
		return append(append(b, tagSmallAtomUTF8, byte(len(s))), s...)
	}
	return append(binary.BigEndian.AppendUint16(append(b, tagAtomUTF8), uint16(len(s))), s...)
}

func appendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0 && n < 256:
		return append(b, tagSmallInteger, byte(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(b, tagInteger), uint32(n))
	}
	return appendBig(b, big.NewInt(n))
}

func toBig(t Term) *big.Int {
	switch t := t.(type) {
	case int:
		return big.NewInt(int64(t))
	case int8:
		return big.NewInt(int64(t))
	case int16:
		return big.NewInt(int64(t))
	case int32:
		return big.NewInt(int64(t))
	case uint8:
		return big.NewInt(int64(t))
	case uint16:
		return big.NewInt(int64(t))
	case uint32:
		return big.NewInt(int64(t))
	case uint:
		return new(big.Int).SetUint64(uint64(t))
	case uint64:
		return new(big.Int).SetUint64(t)
	}
	return t.(*big.Int)
}

func appendBig(b []byte, i *big.Int) []byte {
	if n := i.Int64(); i.IsInt64() && n >= math.MinInt32 && n <= math.MaxInt32 {
		return appendInt(b, n)
	}
	digits := i.Bytes()
	slices.Reverse(digits) // little-endian
	sign := byte(0)
	if i.Sign() < 0 {
		sign = 1
	}
	if len(digits) < 256 {
		b = append(b, tagSmallBig, byte(len(digits)), sign)
	} else {
		b = append(appendLen(b, tagLargeBig, len(digits)), sign)
	}
	return append(b, digits...)
}

// appendString writes the list of the string's bytes. The compact form holds
// 65,535 of them.
func appendString(b []byte, s string) []byte {
	switch {
	case s == "":
		return append(b, tagNil)
	case len(s) <= math.MaxUint16:
		return append(binary.BigEndian.AppendUint16(append(b, tagString), uint16(len(s))), s...)
	}
	b = appendLen(b, tagList, len(s))
	for i := range len(s) {
		b = append(b, tagSmallInteger, s[i])
	}
	return append(b, tagNil)
}
