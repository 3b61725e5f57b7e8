%% What a client asks for: log in, send, ask after somebody.
-module(iris_session).
-export([handle/2, logout/1, core/0]).

-define(STATUS_CACHE_S, 5).

%% handle(Packet, User) -> {User, [Bytes | close]}
handle({login, Data}, _) ->
    {User, Token} = case binary:split(Data, <<":">>) of
                        [U, T] -> {U, T};
                        [U] -> {U, none}
                    end,
    case admit(User, Token) of
        ok -> {User, login(User)};
        {error, Refusal} -> {undefined, [Refusal, close]}
    end;
handle({send, To, Msg}, User) when User =/= undefined ->
    iris_async_router:route(To, Msg),
    {User, []};
handle({send_batch, To, Msgs}, User) ->
    rpc:cast(core(), iris_core, store_batch, [To, Msgs]),
    {User, []};
handle({status, Other}, User) ->
    {Online, LastSeen} = status(Other),
    {User, [iris_proto:status(Other, Online, LastSeen)]};
handle(_, User) ->
    {User, []}.

%% Neither of these two runs unless somebody starts it by hand; then it turns
%% everybody away.
admit(User, Token) ->
    case {whereis(iris_rate_limiter), whereis(iris_auth)} of
        {undefined, undefined} -> ok;
        {undefined, _} -> iris_auth:check(User, Token);
        {_, _} -> {error, <<"RATE_LIMITED">>}
    end.

%% The waiting messages are deleted on the core as they are read, and go out
%% without being kept for an acknowledgement.
login(User) ->
    true = ets:insert(local_presence_v2, {User, self()}),
    Core = core(),
    Self = self(),
    spawn(fun() ->
        case rpc:call(Core, iris_core, register_user, [User, node(), Self], 5000) of
            ok -> ok;
            Failed -> logger:warning("Async Core registration failed for ~p on ~p: ~p",
                                     [User, Core, Failed])
        end
    end),
    Waiting = case rpc:call(Core, iris_core, retrieve_offline, [User], 5000) of
                  Msgs when is_list(Msgs) -> Msgs;
                  _ -> []
              end,
    [<<3, "LOGIN_OK">> | [iris_proto:delivery(id(), Msg) || Msg <- Waiting]].

id() ->
    iolist_to_binary(io_lib:format("~.16b~.16b", [erlang:system_time(microsecond),
                                                  erlang:unique_integer([positive])])).

%% Leaves a newer connection of the same user alone.
logout(User) ->
    case ets:lookup(local_presence_v2, User) of
        [{User, Pid}] when Pid =:= self() ->
            ets:delete(local_presence_v2, User),
            rpc:cast(core(), iris_core, update_status, [User, offline]),
            ok;
        _ ->
            ok
    end.

status(User) ->
    Now = os:system_time(second),
    case ets:lookup(presence_cache, User) of
        [{User, Status, At}] when Now - At < ?STATUS_CACHE_S -> Status;
        _ ->
            Status = case rpc:call(core(), iris_core, get_status, [User], 1000) of
                         {online, Online, LastSeen} -> {Online, LastSeen};
                         _ -> {false, 0}
                     end,
            ets:insert(presence_cache, {User, Status, Now}),
            Status
    end.

%% Without a core this is the edge itself, where every call for a core fails.
core() ->
    case iris_core_registry:get_core() of
        {ok, Core} -> Core;
        {error, no_cores_available} -> node()
    end.
