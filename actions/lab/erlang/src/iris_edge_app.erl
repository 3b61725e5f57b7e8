-module(iris_edge_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    case application:get_env(iris_edge, core_nodes, []) of
        [] -> logger:warning("No 'core_nodes' configured! This Edge node is isolated.");
        Cores -> [net_adm:ping(Core) || Core <- Cores]
    end,
    case iris_edge_sup:start_link() of
        {ok, Pid} ->
            iris_lab:started(),
            {ok, Pid};
        {error, _} = Failed ->
            Failed
    end.

stop(_State) -> ok.
