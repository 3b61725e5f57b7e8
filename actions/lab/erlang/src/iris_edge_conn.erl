%% One client's connection. A delivery that is not acknowledged for more than
%% ten seconds goes to the user's offline messages, as does everything
%% unacknowledged when the connection ends.
-module(iris_edge_conn).
-behaviour(gen_server).
-export([start_link/1, set_socket/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(CHECK_MS, 5000).
-define(ACK_WITHIN_S, 10).
-define(MAX_BUFFER, 65536).

%% pending: #{Id => {Msg, SentAt}}, SentAt in seconds.
-record(s, {socket, user, buffer = <<>>, pending = #{}}).

start_link(Socket) -> gen_server:start_link(?MODULE, Socket, []).

set_socket(Pid, Socket) -> gen_server:cast(Pid, {socket_ready, Socket}).

init(_Socket) ->
    erlang:send_after(?CHECK_MS, self(), check_acks),
    {ok, #s{}}.

handle_call(_, _, S) -> {reply, ok, S}.

handle_cast({socket_ready, Socket}, S) ->
    ok = more(Socket),
    {noreply, S#s{socket = Socket}}.

handle_info({tcp, _, Bytes}, S) ->
    Buffer = <<(S#s.buffer)/binary, Bytes/binary>>,
    case byte_size(Buffer) > ?MAX_BUFFER of
        true -> {stop, buffer_overflow, S};
        false -> packets(S#s{buffer = Buffer})
    end;
handle_info({tcp_closed, _}, S) -> {stop, normal, S};
handle_info({tcp_error, _, _}, S) -> {stop, normal, S};
%% A message must be a binary: anything else crashes here, and the whole
%% listener with it.
handle_info({deliver_msg, Msg}, S) ->
    Id = <<(erlang:monotonic_time()):64, (erlang:unique_integer([positive])):32,
           (erlang:phash2(node())):32>>,
    case gen_tcp:send(S#s.socket, iris_proto:delivery(Id, Msg)) of
        ok ->
            {noreply, S#s{pending = (S#s.pending)#{Id => {Msg, os:system_time(second)}}}};
        {error, _} ->
            store(S#s.user, Msg),
            {noreply, S}
    end;
handle_info(check_acks, S) ->
    erlang:send_after(?CHECK_MS, self(), check_acks),
    Oldest = os:system_time(second) - ?ACK_WITHIN_S,
    Late = maps:filter(fun(_, {_, At}) -> At < Oldest end, S#s.pending),
    maps:foreach(fun(Id, {Msg, _}) ->
        logger:warning("Msg ~p timed out (No ACK). Moving to offline storage.", [Id]),
        store(S#s.user, Msg)
    end, Late),
    {noreply, S#s{pending = maps:without(maps:keys(Late), S#s.pending)}};
handle_info(_, S) ->
    {noreply, S}.

terminate(_Reason, #s{user = undefined}) -> ok;
terminate(_Reason, #s{user = User, pending = Pending}) ->
    [store(User, Msg) || {Msg, _} <- maps:values(Pending)],
    [store(User, Msg) || Msg <- undelivered()],
    iris_session:logout(User).

undelivered() ->
    receive {deliver_msg, Msg} -> [Msg | undelivered()] after 0 -> [] end.

store(User, Msg) ->
    iris_circuit_breaker:call(iris_session:core(), iris_core, store_offline_durable, [User, Msg]).

more(Socket) ->
    case inet:setopts(Socket, [{active, once}]) of
        ok -> ok;
        {error, _} -> self() ! {tcp_closed, Socket}, ok
    end.

packets(#s{buffer = Buffer, socket = Socket} = S) ->
    case iris_proto:decode(Buffer) of
        more ->
            ok = more(Socket),
            {noreply, S};
        {{ack, Id}, Rest} ->
            packets(S#s{buffer = Rest, pending = maps:remove(Id, S#s.pending)});
        {Packet, Rest} ->
            {User, Replies} = iris_session:handle(Packet, S#s.user),
            [send(Socket, Reply) || Reply <- Replies],
            packets(S#s{buffer = Rest, user = User})
    end.

%% After a refusal the connection crashes, listener and all.
send(_Socket, close) -> exit(refused);
send(Socket, Bytes) -> gen_tcp:send(Socket, Bytes).
