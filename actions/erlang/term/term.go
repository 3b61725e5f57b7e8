// Package term is Erlang's terms as Go values, without any library behind them.
//
//	Go                 Erlang
//	Atom               atom
//	int64, *big.Int    integer
//	float64            float
//	[]byte             binary
//	string             list of small integers, as `"text"` is in Erlang
//	List               proper list
//	Tuple              tuple
//	Map                map
//	Pid, Ref           pid and reference: opaque, but they can be sent back
//
// An empty list is List{} whichever way it was written.
package term

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

// Pid is a process identifier. Raw is the link's own value, to be sent back.
type Pid struct {
	Node string
	Text string // as Erlang prints it, without its node: "<0.123.0>"
	Raw  any
}

// Ref is a reference.
type Ref struct {
	Node string
	Raw  any
}
