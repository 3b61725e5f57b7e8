%% A core node: keeps users' offline messages and who is where.
-module(iris_core).
-behaviour(application).
-behaviour(supervisor).

-export([start/2, stop/1, init/1]).
-export([register_user/3, lookup_user/1, update_status/2, get_status/1]).
-export([store_offline/2, store_offline_durable/2, store_batch/2, retrieve_offline/1]).
-export([get_bucket_count/1, set_bucket_count/2]).
-export([init_db/0, join_cluster/1]).

start(_Type, _Args) ->
    ok = iris_schema:open(seeds()),
    _ = pg:start_link(),
    case supervisor:start_link({local, iris_core}, ?MODULE, []) of
        {ok, Pid} ->
            spawn(fun join_peers/0),
            {ok, Pid};
        {error, _} = Failed ->
            Failed
    end.

stop(_State) -> ok.

init([]) ->
    Children = [iris_flow_controller, iris_presence, iris_partition_guard,
                iris_cluster_manager, iris_durable_batcher_sup,
                iris_core_registry, iris_status_batcher],
    {ok, {#{strategy => one_for_one, intensity => 10, period => 60},
          [#{id => M, start => {M, start_link, []}} || M <- Children]}}.

seeds() -> application:get_env(iris_core, join_seeds, []) -- [node()].

%% A second after its start a core shows itself to the edges and joins the first
%% other core that answers. Only then does the lab call it up.
join_peers() ->
    timer:sleep(1000),
    ok = iris_core_registry:join(),
    case lists:search(fun(N) -> net_adm:ping(N) =:= pong end, seeds()) of
        {value, Peer} -> join_cluster(Peer);
        false -> standalone
    end,
    iris_lab:started().

init_db() -> iris_schema:init().

join_cluster(Node) -> iris_schema:join(Node).

%% Presence.

register_user(User, Node, Pid) -> iris_presence:register(User, Node, Pid).

lookup_user(User) -> iris_presence:lookup(User).

update_status(_User, online) -> ok;
update_status(User, offline) ->
    iris_presence:unregister(User),
    iris_status_batcher:submit(User, offline).

get_status(User) ->
    case iris_presence:lookup_local(User) of
        {ok, _Node, _Pid} -> {online, true, 0};
        {error, _} ->
            case mnesia:dirty_read(user_status, User) of
                [{user_status, User, LastSeen}] -> {online, false, LastSeen};
                [] -> {online, false, 0}
            end
    end.

%% Offline messages.

store_offline(User, Msg) ->
    iris_offline_storage:store(User, Msg, get_bucket_count(User)).

store_offline_durable(User, Msg) ->
    iris_durable_batcher:store(User, Msg, get_bucket_count(User)).

store_batch(User, Msgs) ->
    iris_offline_storage:store_batch(User, Msgs, get_bucket_count(User)).

%% Destructive: deletes what it returns.
retrieve_offline(User) ->
    iris_offline_storage:retrieve(User, get_bucket_count(User)).

get_bucket_count(User) ->
    case mnesia:dirty_read(user_meta, User) of
        [{user_meta, User, Count}] -> Count;
        [] -> 1
    end.

set_bucket_count(User, Count) ->
    mnesia:transaction(fun() -> mnesia:write({user_meta, User, Count}) end).
