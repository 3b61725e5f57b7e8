%% Who is connected where, as one core knows it: in memory, and only for half a
%% minute after the login, because nothing ever renews an entry.
-module(iris_presence).
-behaviour(gen_server).
-export([start_link/0, register/3, unregister/1, lookup/1, lookup_local/1]).
-export([get_all_local/0, get_stats/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(TABLE, presence_local).
-define(EXPIRES_MS, 30000).
-define(CLEANUP_MS, 5000).

-record(presence_entry, {user, node, pid, timestamp, last_heartbeat}).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

register(User, Node, Pid) ->
    Now = erlang:system_time(millisecond),
    true = ets:insert(?TABLE, {User, #presence_entry{user = User, node = Node, pid = Pid,
                                                     timestamp = Now, last_heartbeat = Now}}),
    ok.

unregister(User) ->
    true = ets:delete(?TABLE, User),
    ok.

%% For a user whom this core does not know it asks a process that nobody starts,
%% and so fails with noproc instead of answering.
lookup(User) ->
    case lookup_local(User) of
        {ok, _, _} = Found -> Found;
        {error, _} -> gen_server:call(iris_shard, {get_shard_nodes, erlang:phash2(User, 4096)})
    end.

lookup_local(User) ->
    Oldest = erlang:system_time(millisecond) - ?EXPIRES_MS,
    case ets:lookup(?TABLE, User) of
        [{User, #presence_entry{last_heartbeat = At}}] when At < Oldest -> {error, expired};
        [{User, #presence_entry{node = Node, pid = Pid}}] -> {ok, Node, Pid};
        [] -> {error, not_found}
    end.

get_all_local() ->
    [{User, E#presence_entry.node, E#presence_entry.pid} || {User, E} <- ets:tab2list(?TABLE)].

get_stats() -> #{table_size => ets:info(?TABLE, size)}.

init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, public, set, {read_concurrency, true},
                              {write_concurrency, true}]),
    erlang:send_after(?CLEANUP_MS, self(), cleanup),
    {ok, none}.

handle_call(_, _, S) -> {reply, ok, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(cleanup, S) ->
    [ets:delete(?TABLE, User) || {User, _} <- ets:tab2list(?TABLE),
                                 lookup_local(User) =:= {error, expired}],
    erlang:send_after(?CLEANUP_MS, self(), cleanup),
    {noreply, S};
handle_info(_, S) ->
    {noreply, S}.
