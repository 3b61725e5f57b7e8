%% Says in the log when a node goes. It counts every visible node, so that an
%% `erl -sname` that somebody used to ask a question leaves a false alarm.
-module(iris_cluster_manager).
-behaviour(gen_server).
-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) ->
    ok = net_kernel:monitor_nodes(true, [nodedown_reason]),
    {ok, none}.

handle_call(_, _, S) -> {reply, ok, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info({nodedown, Node, Info}, S) ->
    logger:warning("Cluster node down: ~p, reason: ~p", [Node, Info]),
    {noreply, S};
handle_info(_, S) ->
    {noreply, S}.
