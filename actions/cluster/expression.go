package cluster

import (
	"context"

	"irisops/actions/erlang/term"
)

// expression is Erlang source that is evaluated on a node, for what no single
// function answers in a bounded reply. All of them stand here as constants;
// values go in as bindings, never as text, and names that people typed only as
// binaries. Each runs in a process of its own that ends with it, at low
// priority, so that it waits for the work of the node. What it binds stays
// inside its fun: erl_eval answers with all bindings.
type expression string

const (
	// busiest answers {Processes, Whole, ByMailbox, ByMemory}: the processes with
	// the longest mailboxes and the most memory, at most Top of each. On a node
	// with more than Most processes it looks at the registered ones only.
	busiest expression = `fun() ->
		process_flag(priority, low),
		Count = erlang:system_info(process_count),
		Whole = Count =< Most,
		Pids = case Whole of
			true -> erlang:processes();
			false -> [P || N <- lists:sublist(erlang:registered(), Most), P <- [whereis(N)], is_pid(P)]
		end,
		Rows = [{Q, M, P} || P <- Pids, P =/= self(),
			[{message_queue_len, Q}, {memory, M}] <- [process_info(P, [message_queue_len, memory])]],
		Show = fun(I) -> [{Q, M, pid_to_list(P),
			case process_info(P, registered_name) of {registered_name, N} -> N; _ -> '' end,
			case process_info(P, initial_call) of {initial_call, {proc_lib, _, _}} -> element(1, proc_lib:translate_initial_call(P));
				{initial_call, {A, _, _}} -> A; _ -> '' end}
			|| {Q, M, P} <- lists:sublist(lists:reverse(lists:keysort(I, Rows)), Top)] end,
		{Count, Whole, Show(1), Show(2)}
	end().`

	// utilization is what scheduler:utilization(1) computes, without the library
	// (runtime_tools) that holds it: the share of time in which the normal
	// schedulers worked. The flag ends with the process that set it.
	utilization expression = `fun() ->
		erlang:system_flag(scheduler_wall_time, true),
		Normal = erlang:system_info(schedulers),
		Sample = fun() -> [S || S = {I, _, _} <- lists:sort(erlang:statistics(scheduler_wall_time)), I =< Normal] end,
		A = Sample(), timer:sleep(Millis), B = Sample(),
		Active = lists:sum([Y - X || {{_, X, _}, {_, Y, _}} <- lists:zip(A, B)]),
		Total = lists:sum([Y - X || {{_, _, X}, {_, _, Y}} <- lists:zip(A, B)]),
		case Total of 0 -> 0.0; _ -> Active / Total end
	end().`

	// fullest answers {Keys, Whole, [{User, Records}]}: whose messages fill the
	// table offline_msg, from the first Most of its keys, at most Top users.
	fullest expression = `fun() ->
		process_flag(priority, low),
		ets:safe_fixtable(offline_msg, true),
		Count = fun(K) -> ets:select_count(offline_msg, [{{'_', K, '_', '_'}, [], [true]}]) end,
		Walk = fun Walk('$end_of_table', I, M) -> {I, true, M};
			Walk(_, I, M) when I >= Most -> {I, false, M};
			Walk({U, B} = K, I, M) when is_binary(U), is_integer(B) ->
				N = Count(K), Walk(ets:next(offline_msg, K), I + 1, maps:update_with(U, fun(O) -> O + N end, N, M));
			Walk(K, I, M) -> Walk(ets:next(offline_msg, K), I + 1, M)
		end,
		{Keys, Whole, Users} = Walk(ets:first(offline_msg), 0, #{}),
		ets:safe_fixtable(offline_msg, false),
		{Keys, Whole, lists:sublist(lists:reverse(lists:keysort(2, maps:to_list(Users))), Top)}
	end().`

	// waiting answers {Binaries, Bytes, Lists, Inside, InsideBytes, Odd, Oldest, Newest} of
	// one key of offline_msg: records that are one message, their bytes; records
	// that are a list of messages, the messages in them and their bytes; records
	// that are neither; the times of the oldest and newest record in ms, 0 if
	// there is none. Bodies stay on the node.
	waiting expression = `fun() ->
		process_flag(priority, low),
		Select = fun(Guard, Body) -> ets:select(offline_msg, [{{'_', {User, Bucket}, '$1', '$2'}, Guard, [Body]}]) end,
		Times = Select([], '$1'),
		Sizes = Select([{is_binary, '$2'}], {size, '$2'}),
		Lists = [lists:flatten(L) || L <- Select([{is_list, '$2'}], '$2')],
		Inside = [byte_size(M) || L <- Lists, M <- L, is_binary(M)],
		{length(Sizes), lists:sum(Sizes), length(Lists), length(Inside), lists:sum(Inside),
			length(Times) - length(Sizes) - length(Lists),
			case Times of [] -> 0; _ -> lists:min(Times) end, case Times of [] -> 0; _ -> lists:max(Times) end}
	end().`

	// beginnings answers [{Time, Bytes, Beginning}] of the first messages under one key
	// of offline_msg: of at most Top of them, and of each at most Most bytes. It is
	// asked only for the eyes of a person who may read them.
	beginnings expression = `fun() ->
		process_flag(priority, low),
		Rows = case ets:select(offline_msg, [{{'_', {User, Bucket}, '$1', '$2'}, [], [{{'$1', '$2'}}]}], Top) of
			'$end_of_table' -> []; {Some, _} -> Some end,
		All = [{case is_integer(T) of true -> T; false -> 0 end, byte_size(B), binary:part(B, 0, min(byte_size(B), Most))}
			|| {T, M} <- Rows, B <- case is_list(M) of true -> lists:flatten(M); false -> [M] end, is_binary(B)],
		lists:sublist(All, Top)
	end().`

	// strays answers {Records, [Bucket]}: the user's records in buckets from First on,
	// which no login empties. It looks at the whole table.
	strays expression = `fun() ->
		process_flag(priority, low),
		Buckets = ets:select(offline_msg, [{{'_', {User, '$1'}, '_', '_'}, [{'>=', '$1', First}], ['$1']}]),
		{length(Buckets), lists:sublist(lists:usort(Buckets), Top)}
	end().`

	// sealed answers {Records, Bytes, Later, Print, [Binary]} of one key of
	// offline_msg: how many records there are no newer than Until (-1: all), their
	// bytes, how many are newer, a fingerprint, and term_to_binary of each from the
	// one numbered From on, as many as Most bytes hold, one at least. The order is
	// that of the binaries. A time that is no integer is never newer.
	sealed expression = `fun() ->
		process_flag(priority, low),
		All = mnesia:dirty_read(offline_msg, {User, Bucket}),
		Old = [term_to_binary(R, [{minor_version, 2}]) || R <- All,
			Until < 0 orelse not is_integer(element(3, R)) orelse element(3, R) =< Until],
		Sorted = lists:sort(Old),
		Take = fun Take([B | Rest], Size, Some) when Some =:= []; Size + byte_size(B) =< Most -> Take(Rest, Size + byte_size(B), [B | Some]);
			Take(_, _, Some) -> lists:reverse(Some)
		end,
		{length(Sorted), lists:sum([byte_size(B) || B <- Sorted]), length(All) - length(Old),
			erlang:md5(Sorted), Take(lists:nthtail(min(From - 1, length(Sorted)), Sorted), 0, [])}
	end().`

	// erase deletes records, each by itself and wholly given, so that no other one
	// goes with them. It answers how many it was given.
	erase expression = `fun() ->
		process_flag(priority, low),
		lists:foreach(fun(B) -> ok = mnesia:dirty_delete_object(binary_to_term(B, [safe])) end, Records),
		length(Records)
	end().`

	// handOver sends messages to the process of a connection, and answers whether it
	// has taken them: a process that answers a system message has been through all
	// that was in its mailbox before, and one that ended has not.
	handOver expression = `fun() ->
		Ref = erlang:monitor(process, Pid),
		lists:foreach(fun(M) -> Pid ! {deliver_msg, M} end, Messages),
		Taken = try sys:get_status(Pid, Millis) of _ -> true catch _:_ -> false end,
		receive {'DOWN', Ref, process, _, _} -> false after 0 -> erlang:demonitor(Ref, [flush]), Taken end
	end().`

	// traverse reads a whole backup as Mnesia does when it restores one, and
	// answers {ok, {Tables, #{Table => Records}}}.
	traverse expression = `fun() ->
		process_flag(priority, low),
		Count = fun(Item, {Tables, Counts}) when element(1, Item) =:= schema, tuple_size(Item) =:= 3 -> {[Item], {[element(2, Item) | Tables], Counts}};
			(Item, {Tables, Counts}) -> {[Item], {Tables, maps:update_with(element(1, Item), fun(N) -> N + 1 end, 1, Counts)}}
		end,
		mnesia:traverse_backup(File, mnesia_backup, dummy, read_only, Count, {[], #{}})
	end().`

	// fingerprint answers {Bytes, MD5} of a file.
	fingerprint expression = `fun() ->
		process_flag(priority, low),
		{ok, Device} = file:open(File, [read, raw, binary]),
		Walk = fun Walk(Sum, N) -> case file:read(Device, 1048576) of
			{ok, Bytes} -> Walk(erlang:md5_update(Sum, Bytes), N + byte_size(Bytes));
			eof -> {N, erlang:md5_final(Sum)}
		end end,
		Result = Walk(erlang:md5_init(), 0),
		ok = file:close(Device),
		Result
	end().`

	// putBack writes records. The table is a bag: one that is there already stays
	// one.
	putBack expression = `fun() ->
		process_flag(priority, low),
		lists:foreach(fun(B) -> ok = mnesia:dirty_write(binary_to_term(B, [safe])) end, Records),
		length(Records)
	end().`
)

// binding is one variable of an expression.
type binding struct {
	name  string
	value term.Term
}

// eval evaluates an expression on a node.
func (c *Cluster) eval(ctx context.Context, node string, e expression, bindings ...binding) (term.Term, error) {
	scanned, err := c.erlang.Call(ctx, node, "erl_scan", "string", term.Text(string(e)))
	if err != nil {
		return nil, err
	}
	tokens, err := result(scanned, "ok", 3)
	if err != nil {
		return nil, err
	}
	parsed, err := c.erlang.Call(ctx, node, "erl_parse", "parse_exprs", tokens)
	if err != nil {
		return nil, err
	}
	forms, err := result(parsed, "ok", 2)
	if err != nil {
		return nil, err
	}
	given := make(term.List, len(bindings))
	for i, b := range bindings {
		given[i] = term.Tuple{term.Atom(b.name), b.value}
	}
	value, err := c.erlang.Call(ctx, node, "erl_eval", "exprs", forms, given)
	if err != nil {
		return nil, err
	}
	return result(value, "value", 3)
}

// result takes the second element out of a tuple {Tag, Value, ...} of n elements.
func result(t term.Term, tag term.Atom, n int) (term.Term, error) {
	tuple, ok := t.(term.Tuple)
	if !ok || len(tuple) != n || tuple[0] != tag {
		return nil, unexpected(t)
	}
	return tuple[1], nil
}

// numbers reads the integers of a tuple.
func numbers(t term.Term, n int) ([]int64, error) {
	tuple, ok := t.(term.Tuple)
	if !ok || len(tuple) != n {
		return nil, unexpected(t)
	}
	out := make([]int64, n)
	for i, e := range tuple {
		if out[i], ok = term.AsInt(e); !ok {
			return nil, unexpected(t)
		}
	}
	return out, nil
}
