%% How edges find cores: each core is a member of a pg group. An edge that has
%% met no core yet pings the one on its own host that bears its own suffix.
-module(iris_core_registry).
-behaviour(gen_server).
-export([start_link/0, join/0, get_core/0, get_all_cores/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(GROUP, iris_core_nodes).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

join() -> gen_server:call(?MODULE, join).

get_core() ->
    case get_all_cores() of
        [] -> find();
        Cores -> {ok, lists:nth(rand:uniform(length(Cores)), Cores)}
    end.

get_all_cores() -> lists:usort([node(P) || P <- pg:get_members(?GROUP)]).

find() ->
    IsCore = fun(N) -> string:find(atom_to_list(N), "iris_core") =/= nomatch end,
    case lists:filter(IsCore, nodes(connected)) of
        [Core | _] -> {ok, Core};
        [] ->
            Known = [local_core() | application:get_env(iris_edge, core_nodes, [])],
            case lists:search(fun(N) -> net_adm:ping(N) =:= pong end, Known) of
                {value, Core} -> {ok, Core};
                false -> {error, no_cores_available}
            end
    end.

%% iris_edge2_x@host looks for iris_core_x@host.
local_core() ->
    [Name, Host] = string:split(atom_to_list(node()), "@"),
    Core = re:replace(Name, "^iris_edge[0-9]*", "iris_core", [{return, list}]),
    list_to_atom(Core ++ "@" ++ Host).

init([]) -> {ok, none}.

handle_call(join, _From, S) ->
    ok = pg:join(?GROUP, self()),
    {reply, ok, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(_, S) -> {noreply, S}.
