%% Messages for users who are not there. A user's messages are spread over
%% buckets: the key is {User, Bucket}, the table a bag.
-module(iris_offline_storage).
-export([store/3, store_batch/3, retrieve/2, retrieve_lockfree/2]).

store(User, Msg, Count) ->
    case whereis(iris_durable_batcher_1) of
        undefined -> write([{{User, erlang:phash2(Msg, Count)}, Msg}]);
        _ -> iris_durable_batcher:store(User, Msg, Count)
    end.

%% Without the batcher a bucket's messages are stored as one record whose
%% message is a list.
store_batch(User, Msgs, Count) ->
    case whereis(iris_durable_batcher_1) of
        undefined ->
            Buckets = maps:groups_from_list(fun(M) -> erlang:phash2(M, Count) end, Msgs),
            write([{{User, B}, Ms} || {B, Ms} <- maps:to_list(Buckets)]);
        _ ->
            iris_durable_batcher:store_batch(User, Msgs, Count, #{})
    end.

write(Records) ->
    Now = os:system_time(millisecond),
    mnesia:activity(sync_transaction, fun() ->
        [mnesia:write({offline_msg, Key, Now, Msg}) || {Key, Msg} <- Records], ok
    end).

%% Reads and deletes.
retrieve(User, Count) ->
    Records = mnesia:activity(transaction, fun() ->
        lists:append([take({User, B}) || B <- lists:seq(0, Count - 1)])
    end),
    in_order(Records).

take(Key) ->
    Records = mnesia:read(offline_msg, Key, write),
    ok = mnesia:delete({offline_msg, Key}),
    Records.

%% Reads only.
retrieve_lockfree(User, Count) ->
    in_order(lists:append([mnesia:dirty_read(offline_msg, {User, B})
                           || B <- lists:seq(0, Count - 1)])).

in_order(Records) ->
    lists:flatten([Msg || {offline_msg, _, _, Msg} <- lists:keysort(3, Records)]).
