%% Accepts clients. Listener, acceptors and connections are linked to each
%% other, as in IRIS: one connection that crashes takes the listener and every
%% other connection of the edge with it, and the supervisor starts it anew.
-module(iris_edge_listener).
-behaviour(gen_server).
-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(ACCEPTORS, 20).

start_link(Port) ->
    Name = list_to_atom("iris_edge_listener_" ++ integer_to_list(Port)),
    gen_server:start_link({local, Name}, ?MODULE, Port, []).

%% The lab's clients are on this machine; nobody else needs to reach it.
init(Port) ->
    logger:warning("Running in INSECURE mode (allow_insecure=true)"),
    {ok, Listen} = gen_tcp:listen(Port, [binary, {packet, 0}, {active, false}, {reuseaddr, true},
                                         {ip, {127, 0, 0, 1}}, {nodelay, true}, {backlog, 1024},
                                         {send_timeout, 30000}, {send_timeout_close, true}]),
    io:format("Listener started on port ~p (Handler: iris_edge_conn, TLS: false)~n", [Port]),
    [spawn_link(fun() -> accept(Listen) end) || _ <- lists:seq(1, ?ACCEPTORS)],
    {ok, Listen}.

accept(Listen) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} ->
            {ok, Pid} = iris_edge_conn:start_link(Socket),
            _ = gen_tcp:controlling_process(Socket, Pid),
            iris_edge_conn:set_socket(Pid, Socket);
        {error, _} ->
            timer:sleep(200)
    end,
    accept(Listen).

handle_call(_, _, S) -> {reply, ok, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(_, S) -> {noreply, S}.
