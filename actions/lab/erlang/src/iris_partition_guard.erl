%% Guards against writes on the smaller side of a split, if it has been told
%% which nodes to expect; by default it has not. It looks at connections, so it
%% calls a split over while Mnesia is still divided.
-module(iris_partition_guard).
-behaviour(gen_server).
-export([start_link/0, get_status/0, is_safe_for_writes/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(CHECK_MS, 5000).
-define(RECOVERY_S, 10).

-record(s, {mode = normal, expected = [], visible = [], splits = 0, lost_at}).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

get_status() -> gen_server:call(?MODULE, get_status, 1000).

is_safe_for_writes() ->
    case get_status() of
        #{safe_for_writes := true} -> ok;
        #{safe_for_writes := false} -> {error, partition_detected}
    end.

init([]) ->
    Expected = case application:get_env(iris_core, expected_cluster_nodes) of
                   {ok, Nodes} -> Nodes;
                   undefined -> application:get_env(iris_core, join_seeds, [])
               end,
    [banner() || Expected =:= []],
    erlang:send_after(?CHECK_MS, self(), check),
    {ok, #s{expected = Expected, visible = [node() | nodes()]}}.

banner() ->
    logger:warning("PARTITION GUARD: No expected_cluster_nodes configured!"),
    logger:warning("Split-brain protection is DISABLED.").

handle_call(get_status, _From, S) ->
    {reply, #{mode => S#s.mode, membership_mode => static,
              safe_for_writes => S#s.mode =:= normal,
              expected_nodes => S#s.expected, visible_nodes => S#s.visible,
              partition_count => S#s.splits, last_quorum_loss => S#s.lost_at}, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(check, S) ->
    erlang:send_after(?CHECK_MS, self(), check),
    Visible = lists:usort([node() | nodes()] ++ mnesia:system_info(running_db_nodes)),
    {noreply, check(S#s{visible = Visible})};
handle_info(_, S) ->
    {noreply, S}.

check(#s{expected = Expected, visible = Visible, mode = Mode} = S) ->
    Seen = length([N || N <- Expected, lists:member(N, Visible)]),
    Quorum = Expected =:= [] orelse 2 * Seen > length(Expected),
    Now = os:system_time(second),
    case {Quorum, Mode} of
        {false, normal} ->
            logger:error("PARTITION DETECTED: expected ~p, visible ~p. Entering safe mode",
                         [Expected, Visible]),
            S#s{mode = safe_mode, splits = S#s.splits + 1, lost_at = Now};
        {true, safe_mode} when Now - S#s.lost_at >= ?RECOVERY_S ->
            S#s{mode = normal};
        _ ->
            S
    end.
