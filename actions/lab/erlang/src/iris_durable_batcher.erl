%% Offline messages go to a write-ahead log at once and to Mnesia within half a
%% second. Each user belongs to one of eight shards with a log of its own,
%% data/wal/shard_N.wal; what a crash left uncommitted there is written to
%% Mnesia at the next start.
-module(iris_durable_batcher).
-behaviour(gen_server).
-export([start_link/1, shards/0, store/3, store_batch/4, force_flush/0, get_stats/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(FLUSH_MS, 500).

%% pending: [{Seq, Key, Timestamp, Msg}], newest first.
-record(s, {log, seq = 0, pending = [], wal = 0, mnesia = 0, batches = 0}).

shards() -> 8.

start_link(I) -> gen_server:start_link({local, name(I)}, ?MODULE, I, []).

name(I) -> list_to_atom("iris_durable_batcher_" ++ integer_to_list(I)).

shard(User) -> name(erlang:phash2(User, shards()) + 1).

store(User, Msg, Count) -> store_batch(User, [Msg], Count, #{}).

store_batch(User, Msgs, Count, _Options) ->
    gen_server:call(shard(User), {store, User, Msgs, Count}, 30000).

force_flush() ->
    [ok = gen_server:call(name(I), flush, 30000) || I <- lists:seq(1, shards())],
    ok.

get_stats() ->
    Each = [gen_server:call(name(I), stats, 1000) || I <- lists:seq(1, shards())],
    Sum = fun(K) -> lists:sum([maps:get(K, S) || S <- Each]) end,
    #{writes_wal => Sum(wal), writes_mnesia => Sum(mnesia), batch_count => Sum(batches),
      total_pending => Sum(pending), writes_remote => 0, remote_failures => 0}.

init(I) ->
    process_flag(trap_exit, true),
    Dir = application:get_env(iris_core, wal_directory, "data/wal"),
    File = filename:join(Dir, "shard_" ++ integer_to_list(I) ++ ".wal"),
    ok = filelib:ensure_dir(File),
    Log = case disk_log:open([{name, {iris_wal, I}}, {file, File}]) of
              {ok, L} -> L;
              {repaired, L, _, _} -> L
          end,
    {Pending, Committed} = read(Log, start, [], #{}),
    Lost = [P || P = {Seq, _, _, _} <- Pending, not is_map_key(Seq, Committed)],
    ok = to_mnesia(Lost),
    ok = disk_log:truncate(Log),
    erlang:send_after(?FLUSH_MS, self(), flush),
    {ok, #s{log = Log}}.

read(Log, Continuation, Pending, Committed) ->
    case disk_log:chunk(Log, Continuation) of
        eof -> {Pending, Committed};
        {Next, Terms} -> read_terms(Log, Next, Terms, Pending, Committed);
        {Next, Terms, _BadBytes} -> read_terms(Log, Next, Terms, Pending, Committed)
    end.

read_terms(Log, Next, Terms, Pending, Committed) ->
    read(Log, Next,
         [{Seq, Key, At, Msg} || {pending, Seq, Key, At, Msg} <- Terms] ++ Pending,
         maps:merge(Committed, maps:from_list([{Seq, true} || {committed, Seq} <- Terms]))).

handle_call({store, User, Msgs, Count}, _From, S) ->
    Now = os:system_time(millisecond),
    Numbered = lists:zip(lists:seq(S#s.seq + 1, S#s.seq + length(Msgs)), Msgs),
    New = [{Seq, {User, erlang:phash2(Msg, Count)}, Now, Msg} || {Seq, Msg} <- Numbered],
    ok = disk_log:log_terms(S#s.log, [{pending, Q, K, At, M} || {Q, K, At, M} <- New]),
    ok = disk_log:sync(S#s.log),
    {reply, ok, S#s{seq = S#s.seq + length(Msgs), wal = S#s.wal + length(Msgs),
                    pending = lists:reverse(New, S#s.pending)}};
handle_call(flush, _From, S) ->
    {reply, ok, flush(S)};
handle_call(stats, _From, S) ->
    {reply, #{wal => S#s.wal, mnesia => S#s.mnesia, batches => S#s.batches,
              pending => length(S#s.pending)}, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(flush, S) ->
    erlang:send_after(?FLUSH_MS, self(), flush),
    {noreply, flush(S)};
handle_info(_, S) ->
    {noreply, S}.

terminate(_, S) ->
    _ = flush(S),
    disk_log:close(S#s.log).

flush(#s{pending = []} = S) -> S;
flush(#s{pending = Pending} = S) ->
    ok = to_mnesia(Pending),
    ok = disk_log:log_terms(S#s.log, [{committed, Seq} || {Seq, _, _, _} <- Pending]),
    S#s{pending = [], batches = S#s.batches + 1, mnesia = S#s.mnesia + length(Pending)}.

to_mnesia([]) -> ok;
to_mnesia(Pending) ->
    mnesia:activity(sync_transaction, fun() ->
        [mnesia:write({offline_msg, Key, At, Msg}) || {_, Key, At, Msg} <- Pending], ok
    end).
