package term

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// The external term format: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
const (
	formatVersion = 131

	tagNewFloat      = 70
	tagBitBinary     = 77
	tagNewPid        = 88
	tagNewPort       = 89
	tagNewerRef      = 90
	tagSmallInteger  = 97
	tagInteger       = 98
	tagFloat         = 99
	tagAtomLatin1    = 100
	tagPort          = 102
	tagPid           = 103
	tagSmallTuple    = 104
	tagLargeTuple    = 105
	tagNil           = 106
	tagString        = 107
	tagList          = 108
	tagBinary        = 109
	tagSmallBig      = 110
	tagLargeBig      = 111
	tagNewFun        = 112
	tagExport        = 113
	tagNewRef        = 114
	tagSmallLatin1   = 115
	tagMap           = 116
	tagAtomUTF8      = 118
	tagSmallAtomUTF8 = 119
	tagV4Port        = 120
)

// maxDepth bounds how deep terms may nest, so that no reply can exhaust the
// stack. What Erlang programs exchange nests a few dozen levels at most.
const maxDepth = 1000

// empty is one value for all empty lists: a million of them in a reply then take
// no memory of their own.
var empty Term = List{}

var (
	errShort = errors.New("the term is cut short")
	errDeep  = fmt.Errorf("the term nests deeper than %d levels", maxDepth)
)

// Decode reads one term in external format, with its leading version byte, and
// returns what follows it. It keeps nothing of b. The memory it takes is at most
// about 40 times the length of b, whatever b says.
func Decode(b []byte) (t Term, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errShort
	}
	if b[0] != formatVersion {
		return nil, nil, fmt.Errorf("unknown version %d of the external term format", b[0])
	}
	d := decoder{b: b, at: 1, elements: len(b)}
	t, err = d.term(0)
	if err != nil {
		return nil, nil, fmt.Errorf("byte %d of %d: %w", d.at, len(b), err)
	}
	return t, b[d.at:], nil
}

type decoder struct {
	b  []byte
	at int
	// How many elements containers may still have, all together. Each takes at
	// least a byte, so no honest term runs out, and no false number, nor many of
	// them nested, makes us allocate for what is not there.
	elements int
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) ([]byte, error) {
	if n > uint64(len(d.b)-d.at) {
		return nil, errShort
	}
	b := d.b[d.at : d.at+int(n)]
	d.at += int(n)
	return b, nil
}

// uint reads an unsigned big-endian number of that many bytes, 1 to 8.
func (d *decoder) uint(bytes uint64) (uint64, error) {
	b, err := d.take(bytes)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// count reads the number of elements of a container.
func (d *decoder) count(bytes uint64) (int, error) {
	n, err := d.uint(bytes)
	if err != nil || n > uint64(d.elements) {
		return 0, errShort
	}
	d.elements -= int(n)
	return int(n), nil
}

// sized reads a length of that many bytes and then so many bytes.
func (d *decoder) sized(bytes uint64) ([]byte, error) {
	n, err := d.uint(bytes)
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

func (d *decoder) term(depth int) (Term, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	start := d.at
	tag, err := d.uint(1)
	if err != nil {
		return nil, err
	}
	switch tag {
	case tagSmallInteger:
		n, err := d.uint(1)
		return int64(n), err
	case tagInteger:
		n, err := d.uint(4)
		return int64(int32(n)), err
	case tagSmallBig, tagLargeBig:
		return d.big(tag)
	case tagNewFloat:
		n, err := d.uint(8)
		return math.Float64frombits(n), err
	case tagFloat:
		b, err := d.take(31)
		if err != nil {
			return nil, err
		}
		return strconv.ParseFloat(strings.TrimRight(string(b), "\x00"), 64)
	case tagAtomUTF8, tagSmallAtomUTF8, tagAtomLatin1, tagSmallLatin1:
		return d.atom(tag)
	case tagBinary:
		b, err := d.sized(4)
		return append([]byte{}, b...), err
	case tagNil:
		return empty, nil
	case tagString:
		b, err := d.sized(2)
		if err == nil && len(b) == 0 {
			return empty, err
		}
		return string(b), err
	case tagList:
		return d.list(depth)
	case tagSmallTuple, tagLargeTuple:
		n, err := d.count(widthOf(tag == tagSmallTuple, 1, 4))
		if err != nil {
			return nil, err
		}
		items, err := d.terms(List{}, n, depth)
		return Tuple(items), err
	case tagMap:
		return d.mapping(depth)
	case tagPid, tagNewPid:
		return d.pid(tag, start)
	case tagNewRef, tagNewerRef:
		return d.ref(tag, start)
	case tagPort, tagNewPort, tagV4Port:
		if _, err := d.atomTerm(); err != nil {
			return nil, err
		}
		width := widthOf(tag == tagPort, 5, widthOf(tag == tagNewPort, 8, 12))
		_, err := d.take(width)
		return d.opaque("port", start, err)
	case tagBitBinary:
		n, err := d.uint(4)
		if err == nil {
			_, err = d.take(n + 1)
		}
		return d.opaque("bitstring", start, err)
	case tagNewFun:
		n, err := d.uint(4) // counts its own four bytes
		if err == nil && n < 4 {
			err = errors.New("a fun shorter than its own length")
		}
		if err == nil {
			_, err = d.take(n - 4)
		}
		return d.opaque("fun", start, err)
	case tagExport:
		_, err := d.terms(nil, 3, depth)
		return d.opaque("fun", start, err)
	}
	return nil, fmt.Errorf("unknown tag %d", tag)
}

func widthOf(small bool, a, b uint64) uint64 {
	if small {
		return a
	}
	return b
}

// terms reads n terms and appends them to items.
func (d *decoder) terms(items List, n, depth int) (List, error) {
	items = slices.Grow(items, n)
	for range n {
		t, err := d.term(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, t)
	}
	return items, nil
}

func (d *decoder) list(depth int) (Term, error) {
	var items List
	for more := true; more; {
		n, err := d.count(4)
		if err != nil {
			return nil, err
		}
		if items, err = d.terms(items, n, depth); err != nil {
			return nil, err
		}
		// A tail that is a list goes on with this one.
		if more = d.at < len(d.b) && d.b[d.at] == tagList; more {
			d.at++
		}
	}
	tail, err := d.term(depth + 1)
	if err != nil {
		return nil, err
	}
	switch tail := tail.(type) {
	case List: // the empty one
	case string:
		for i := range len(tail) {
			items = append(items, int64(tail[i]))
		}
	default:
		if len(items) == 0 {
			return tail, nil
		}
		return Improper{Items: items, Tail: tail}, nil
	}
	return asString(items), nil
}

// asString makes a string of a list that is one.
func asString(l List) Term {
	if len(l) == 0 {
		return empty
	}
	for _, t := range l {
		if n, ok := t.(int64); !ok || n < 0 || n > 255 {
			return l
		}
	}
	b := make([]byte, len(l))
	for i, t := range l {
		b[i] = byte(t.(int64))
	}
	return string(b)
}

func (d *decoder) mapping(depth int) (Term, error) {
	n, err := d.count(4)
	if err != nil {
		return nil, err
	}
	m := make(Map, 0, n)
	for range n {
		kv, err := d.terms(nil, 2, depth)
		if err != nil {
			return nil, err
		}
		m = append(m, Pair{Key: kv[0], Value: kv[1]})
	}
	return m, nil
}

func (d *decoder) big(tag uint64) (Term, error) {
	n, err := d.uint(widthOf(tag == tagSmallBig, 1, 4))
	if err != nil {
		return nil, err
	}
	sign, err := d.uint(1)
	if err != nil {
		return nil, err
	}
	digits, err := d.take(n) // little-endian
	if err != nil {
		return nil, err
	}
	digits = slices.Clone(digits)
	slices.Reverse(digits)
	i := new(big.Int).SetBytes(digits)
	if sign != 0 {
		i.Neg(i)
	}
	if i.IsInt64() {
		return i.Int64(), nil
	}
	return i, nil
}

func (d *decoder) atom(tag uint64) (Term, error) {
	b, err := d.sized(widthOf(tag == tagSmallAtomUTF8 || tag == tagSmallLatin1, 1, 2))
	if err != nil {
		return nil, err
	}
	if tag == tagAtomLatin1 || tag == tagSmallLatin1 {
		return Atom(latin1(string(b))), nil
	}
	return Atom(b), nil
}

// atomTerm reads a term that must be an atom: the node within a pid.
func (d *decoder) atomTerm() (string, error) {
	tag, err := d.uint(1)
	if err != nil {
		return "", err
	}
	switch tag {
	case tagAtomUTF8, tagSmallAtomUTF8, tagAtomLatin1, tagSmallLatin1:
		a, err := d.atom(tag)
		if err != nil {
			return "", err
		}
		return string(a.(Atom)), nil
	}
	return "", fmt.Errorf("tag %d where an atom is due", tag)
}

func (d *decoder) pid(tag uint64, start int) (Term, error) {
	node, err := d.atomTerm()
	if err != nil {
		return nil, err
	}
	b, err := d.take(8 + widthOf(tag == tagPid, 1, 4))
	if err != nil {
		return nil, err
	}
	text := pidText(binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]))
	return Pid{Node: node, Text: text, Raw: string(d.b[start:d.at])}, nil
}

func (d *decoder) ref(tag uint64, start int) (Term, error) {
	words, err := d.uint(2)
	if err != nil {
		return nil, err
	}
	node, err := d.atomTerm()
	if err != nil {
		return nil, err
	}
	if _, err := d.take(widthOf(tag == tagNewRef, 1, 4) + 4*words); err != nil {
		return nil, err
	}
	return Ref{Node: node, Raw: string(d.b[start:d.at])}, nil
}

func (d *decoder) opaque(kind string, start int, err error) (Term, error) {
	if err != nil {
		return nil, err
	}
	return Opaque{Kind: kind, Raw: string(d.b[start:d.at])}, nil
}

// latin1 is Latin-1 text as UTF-8.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
