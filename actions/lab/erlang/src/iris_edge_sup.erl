%% An edge: clients connect to it. It keeps its own clients in memory and
%% everything else on a core; it runs no Mnesia.
-module(iris_edge_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% The tables belong to this process, so that they outlive its children.
init([]) ->
    _ = pg:start_link(),
    Options = [set, named_table, public, {read_concurrency, true}, {write_concurrency, true}],
    local_presence_v2 = ets:new(local_presence_v2, Options),
    presence_cache = ets:new(presence_cache, Options),
    {ok, Port} = application:get_env(iris_edge, port),
    Routers = [#{id => list_to_atom("iris_async_router_" ++ integer_to_list(I)),
                 start => {iris_async_router, start_link, [I]}}
               || I <- lists:seq(1, iris_async_router:get_pool_size())],
    {ok, {#{strategy => one_for_one, intensity => 10, period => 60},
          [#{id => iris_circuit_breaker, start => {iris_circuit_breaker, start_link, []}}]
          ++ Routers ++
          [#{id => iris_tcp_listener, start => {iris_edge_listener, start_link, [Port]}}]}}.
