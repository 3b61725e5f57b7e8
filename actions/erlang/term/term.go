// Package term is Erlang's terms as Go values, without any library behind them,
// and their external format, the one that nodes speak to each other.
//
//	Go                 Erlang
//	Atom               atom; true and false too
//	int64, *big.Int    integer; *big.Int only for what int64 cannot hold
//	float64            float
//	[]byte             binary
//	string             proper list, not empty, of integers 0-255, as `"text"` is in Erlang
//	List               any other proper list, and the empty one
//	Improper           improper list: [a|b]
//	Tuple              tuple
//	Map                map
//	Pid, Ref           pid and reference: opaque, but they can be sent back
//	Opaque             fun, port, bit string: the same
//
// Decode gives exactly these. Append takes more: every Go integer, bool for the
// atoms true and false, and a List of small integers where Decode would give a
// string.
package term

import (
	"encoding/binary"
	"fmt"
)

// Term is one of the types in the package comment.
type Term any

type (
	Atom  string
	List  []Term
	Tuple []Term
	// Map keeps its pairs in the order they arrived, because Erlang's keys need
	// not be comparable in Go.
	Map []Pair
)

// Pair is one entry of a Map.
type Pair struct{ Key, Value Term }

// Improper is a list whose last tail is not the empty list.
type Improper struct {
	Items List // at least one
	Tail  Term
}

// Pid is a process identifier. Two of them are the same process if they are
// equal in Go.
type Pid struct {
	Node string
	Text string // as its own node prints it: "<0.123.0>"
	Raw  any    // its external format, a string, which goes back as it came
}

// Ref is a reference.
type Ref struct {
	Node string
	Raw  any // its external format, a string, which goes back as it came
}

// Opaque is a term that Go code has no use for other than to send it back.
type Opaque struct {
	Kind string // "fun", "port" or "bitstring"
	Raw  any    // its external format, a string, which goes back as it came
}

// NewPid is the identifier of a process on a node that this program plays. In
// all versions of Erlang, id has 15 bits and serial 13.
func NewPid(node string, id, serial, creation uint32) Pid {
	raw := appendAtom([]byte{tagNewPid}, node)
	raw = binary.BigEndian.AppendUint32(raw, id)
	raw = binary.BigEndian.AppendUint32(raw, serial)
	raw = binary.BigEndian.AppendUint32(raw, creation)
	return Pid{Node: node, Text: pidText(id, serial), Raw: string(raw)}
}

// NewRef is a reference made by a node that this program plays. In all versions
// of Erlang, the first of its words has 18 bits.
func NewRef(node string, creation uint32, words [3]uint32) Ref {
	raw := appendAtom([]byte{tagNewerRef, 0, byte(len(words))}, node)
	raw = binary.BigEndian.AppendUint32(raw, creation)
	for _, w := range words {
		raw = binary.BigEndian.AppendUint32(raw, w)
	}
	return Ref{Node: node, Raw: string(raw)}
}

func pidText(id, serial uint32) string { return fmt.Sprintf("<0.%d.%d>", id, serial) }
