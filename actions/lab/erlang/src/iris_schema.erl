%% The core's Mnesia: its tables, how a first core makes them, how a restarted
%% core recovers them, and how a further core joins.
-module(iris_schema).
-export([open/1, init/0, join/1]).

%% How long a recovering core waits for a core that may know better. After that
%% it loads what lies on its own disc, and the other core's later writes are lost.
-define(WAIT_FOR_TABLES, 30000).

tables() ->
    [{presence, ram_copies, [user, node, pid], set},
     {offline_msg, disc_copies, [key, timestamp, msg], bag},
     {user_meta, disc_copies, [user, bucket_count], set},
     {user_status, disc_copies, [user, last_seen], set},
     {revoked_tokens, disc_copies, [jti, timestamp], set},
     {dedup_log, disc_copies, [msg_id, timestamp], set}].

%% With a live seed Mnesia only starts: an old folder finds its peers by itself,
%% an empty one waits for join/1.
open(Seeds) ->
    case [S || S <- Seeds, net_adm:ping(S) =:= pong] of
        [] -> init();
        [_ | _] -> _ = mnesia:start(), ok
    end.

%% An existing folder is recovered; a missing or empty one silently becomes a
%% new and empty seed.
init() ->
    _ = application:stop(mnesia),
    Schema = filename:join(mnesia:system_info(directory), "schema.DAT"),
    case filelib:is_file(Schema) of
        true -> recover();
        false -> create()
    end.

create() ->
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    [create_table(T) || T <- tables()],
    ok = mnesia:wait_for_tables([Name || {Name, _, _, _} <- tables()], 5000).

recover() ->
    ok = mnesia:start(),
    Disc = [Name || {Name, disc_copies, _, _} <- tables()],
    case mnesia:wait_for_tables(Disc, ?WAIT_FOR_TABLES) of
        ok -> ok;
        {timeout, Bad} ->
            logger:warning("Tables ~p did not load in time, loading the local copies", [Bad]),
            [yes = mnesia:force_load_table(T) || T <- Bad]
    end,
    Presence = lists:keyfind(presence, 1, tables()),
    case lists:member(presence, mnesia:system_info(tables)) of
        true -> ok;
        false -> create_table(Presence)
    end,
    ok.

create_table({Name, Copies, Attributes, Type}) ->
    {atomic, ok} = mnesia:create_table(Name, [{Copies, [node()]}, {attributes, Attributes},
                                              {type, Type}]).

%% Copies every table of Node's cluster to this node's disc; harmless where the
%% copies are there already.
join(Node) ->
    case net_adm:ping(Node) of
        pong ->
            case mnesia:change_config(extra_db_nodes, [Node]) of
                {ok, _} -> ok;
                {error, Reason} -> logger:error("Not joined to ~p: ~p", [Node, Reason])
            end,
            _ = mnesia:change_table_copy_type(schema, node(), disc_copies),
            [mnesia:add_table_copy(T, node(), disc_copies)
             || T <- mnesia:system_info(tables) -- [schema]],
            ok;
        pang ->
            {error, undefined_node}
    end.
