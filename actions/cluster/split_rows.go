package cluster

import (
	"context"

	"irisops/actions/erlang/term"
)

const (
	// marks answers {Records, [Time]}: how many records of a table Spec finds, and
	// the times at which to cut them into pieces of at most Most bytes or Top
	// records, but for records of the same time, which stay together.
	marks expression = `fun() ->
		process_flag(priority, low),
		Sized = lists:sort([{element(3, R), erlang:external_size(R)} || R <- ets:select(Table, Spec)]),
		Cut = fun({T, S}, {Last, N, Size, Acc}) when T =:= Last -> {Last, N + 1, Size + S, Acc};
			({T, S}, {Last, N, Size, Acc}) when Last =:= none; N >= Top; Size + S > Most -> {T, 1, S, [T | Acc]};
			({T, S}, {_, N, Size, Acc}) -> {T, N + 1, Size + S, Acc}
		end,
		{_, _, _, Cuts} = lists:foldl(Cut, {none, 0, 0, []}, Sized),
		{length(Sized), lists:reverse(Cuts)}
	end().`

	// piece answers {[Record], [Meta]}: the records of offline_msg or another table
	// that Spec finds, as term_to_binary, and the bucket counts of their users.
	piece expression = `fun() ->
		process_flag(priority, low),
		Rows = ets:select(Table, Spec),
		Users = case Table of offline_msg -> lists:usort([U || R <- Rows, {U, _} <- [element(2, R)]]); _ -> [] end,
		Metas = try [M || U <- Users, M <- mnesia:dirty_read(user_meta, U)] catch exit:_ -> [] end,
		{[term_to_binary(R, [{minor_version, 2}]) || R <- Rows], [term_to_binary(M) || M <- Metas]}
	end().`

	// addRows writes records of a bag, where one that is there already stays one,
	// and answers how many were not there.
	addRows expression = `fun() ->
		process_flag(priority, low),
		Add = fun(B) ->
			R = binary_to_term(B, [safe]),
			Is = ets:select_count(element(1, R), [{R, [], [true]}]),
			ok = mnesia:dirty_write(R),
			1 - min(1, Is)
		end,
		lists:sum([Add(B) || B <- Rows])
	end().`

	// raiseRows writes records {Table, Key, Number} of a set where there is none of
	// that key or one with a smaller number, and answers how many it wrote.
	raiseRows expression = `fun() ->
		process_flag(priority, low),
		Raise = fun(B) ->
			R = binary_to_term(B, [safe]),
			case mnesia:dirty_read(element(1, R), element(2, R)) of
				[Old] when element(3, Old) >= element(3, R) -> 0;
				_ -> ok = mnesia:dirty_write(R), 1
			end
		end,
		lists:sum([Raise(B) || B <- Rows])
	end().`

	// withdraw takes a core out of the list that edges choose cores from, enroll
	// puts it in. They answer whether it stands there now, or none if this IRIS
	// keeps no such list.
	withdraw expression = `fun() -> case whereis(iris_core_registry) of
		undefined -> none;
		P -> lists:foreach(fun(M) -> ok = pg:leave(iris_core_nodes, M) end, [M || M <- pg:get_members(iris_core_nodes), M =:= P]),
			lists:member(P, pg:get_members(iris_core_nodes))
	end end().`
	enroll expression = `fun() -> case whereis(iris_core_registry) of
		undefined -> none;
		P -> lists:member(P, pg:get_members(iris_core_nodes)) orelse pg:join(iris_core_nodes, P),
			lists:member(P, pg:get_members(iris_core_nodes))
	end end().`

	// chosenFrom answers the nodes in that list, as this node sees it.
	chosenFrom expression = `fun() -> lists:usort([node(P) || P <- pg:get_members(iris_core_nodes)]) end().`
)

// Pieces are small enough for one reply, and few enough for a large table.
const (
	pieceBytes = 2 << 20
	pieceRows  = 1_000
)

// between finds the records of a table whose third element is not below from, and
// below to if there is a to. body is what it answers of each.
func between(table string, from, to, body term.Term) term.List {
	head := term.Tuple{term.Atom(table), anything, term.Atom("$1")}
	if table == "offline_msg" {
		head = append(head, anything)
	}
	literal := func(t term.Term) term.Tuple { return term.Tuple{term.Atom("const"), t} }
	guard := term.List{term.Tuple{term.Atom(">="), term.Atom("$1"), literal(from)}}
	if to != nil {
		guard = append(guard, term.Tuple{term.Atom("<"), term.Atom("$1"), literal(to)})
	}
	return term.List{term.Tuple{head, guard, term.List{body}}}
}

var wholeRecord = term.Atom("$_")

// cuts are the times at which the records of a table from a time on are cut into
// pieces, and how many records there are.
func (c *Cluster) cuts(ctx context.Context, n Node, table string, from term.Term) (rows int64, times term.List, err error) {
	t, err := c.eval(ctx, n.Name, marks, binding{"Table", term.Atom(table)}, binding{"Spec", between(table, from, nil, wholeRecord)},
		binding{"Most", pieceBytes}, binding{"Top", pieceRows})
	if err != nil {
		return 0, nil, err
	}
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return 0, nil, unexpected(t)
	}
	rows, ok1 := term.AsInt(pair[0])
	times, ok2 := term.AsList(pair[1])
	if !ok1 || !ok2 {
		return 0, nil, unexpected(t)
	}
	return rows, times, nil
}

// rowsBetween are the records of one piece.
func (c *Cluster) rowsBetween(ctx context.Context, n Node, table string, from, to term.Term) (rows, metas [][]byte, err error) {
	t, err := c.eval(ctx, n.Name, piece, binding{"Table", term.Atom(table)}, binding{"Spec", between(table, from, to, wholeRecord)})
	if err != nil {
		return nil, nil, err
	}
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return nil, nil, unexpected(t)
	}
	if rows, err = binaries(pair[0]); err != nil {
		return nil, nil, err
	}
	metas, err = binaries(pair[1])
	return rows, metas, err
}

// write has a core carry out one of the expressions that write records, and
// answers its count.
func (c *Cluster) write(ctx context.Context, n Node, e expression, rows [][]byte) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	list := make(term.List, len(rows))
	for i, r := range rows {
		list[i] = r
	}
	t, err := c.eval(ctx, n.Name, e, binding{"Rows", list})
	if err != nil {
		return 0, err
	}
	count, ok := term.AsInt(t)
	if !ok {
		return 0, unexpected(t)
	}
	return count, nil
}

// binaries reads a list of binaries.
func binaries(t term.Term) ([][]byte, error) {
	list, ok := term.AsList(t)
	if !ok {
		return nil, unexpected(t)
	}
	all := make([][]byte, len(list))
	for i, e := range list {
		if all[i], ok = e.([]byte); !ok {
			return nil, unexpected(t)
		}
	}
	return all, nil
}
