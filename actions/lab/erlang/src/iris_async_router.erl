%% Routes messages to users: to a connection of this edge, else to wherever a
%% core knows the user, else into a core's offline messages.
-module(iris_async_router).
-behaviour(gen_server).
-export([start_link/1, get_pool_size/0, route/2, get_local_count/0, get_stats/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(s, {local = 0, remote = 0, offline = 0, failed = 0}).

start_link(I) -> gen_server:start_link({local, name(I)}, ?MODULE, [], []).

name(I) -> list_to_atom("iris_async_router_" ++ integer_to_list(I)).

get_pool_size() -> 4.

route(User, Msg) ->
    gen_server:cast(name(erlang:phash2(User, get_pool_size()) + 1), {route, User, Msg}).

get_local_count() -> ets:info(local_presence_v2, size).

get_stats() ->
    Each = [gen_server:call(name(I), stats, 1000) || I <- lists:seq(1, get_pool_size())],
    Sum = fun(N) -> lists:sum([element(N, S) || S <- Each]) end,
    #{local_users => get_local_count(), routed_local => Sum(#s.local),
      routed_remote => Sum(#s.remote), routed_offline => Sum(#s.offline),
      route_failures => Sum(#s.failed)}.

init([]) -> {ok, #s{}}.

handle_call(stats, _From, S) -> {reply, S, S}.

handle_cast({route, User, Msg}, S) ->
    case ets:lookup(local_presence_v2, User) of
        [{User, Pid}] ->
            case is_process_alive(Pid) of
                true ->
                    Pid ! {deliver_msg, Msg},
                    {noreply, S#s{local = S#s.local + 1}};
                false ->
                    ets:delete(local_presence_v2, User),
                    elsewhere(User, Msg),
                    {noreply, S}
            end;
        [] ->
            elsewhere(User, Msg),
            {noreply, S}
    end;
handle_cast({routed, remote}, S) -> {noreply, S#s{remote = S#s.remote + 1}};
handle_cast({routed, offline}, S) -> {noreply, S#s{offline = S#s.offline + 1}};
handle_cast({routed, failed}, S) -> {noreply, S#s{failed = S#s.failed + 1}}.

handle_info(_, S) -> {noreply, S}.

%% Off the router, which must not wait for a core.
elsewhere(User, Msg) ->
    Router = self(),
    spawn(fun() -> gen_server:cast(Router, {routed, deliver(User, Msg, cores())}) end).

cores() ->
    case iris_core_registry:get_all_cores() of
        [] -> [iris_session:core()];
        Cores -> Cores
    end.

deliver(User, Msg, [Core | Others] = Cores) ->
    case find(User, Cores) of
        {ok, Pid} ->
            Pid ! {deliver_msg, Msg},
            remote;
        not_found ->
            case iris_circuit_breaker:call_with_fallback(Core, iris_core, store_offline_durable,
                                                         [User, Msg], Others) of
                ok -> offline;
                Failed ->
                    logger:error("CRITICAL: Failed to store offline: ~p for user ~p",
                                 [Failed, User]),
                    failed
            end
    end.

find(_User, []) -> not_found;
find(User, [Core | Others]) ->
    case rpc:call(Core, iris_core, lookup_user, [User], 2000) of
        {ok, _Node, Pid} -> {ok, Pid};
        _ -> find(User, Others)
    end.
