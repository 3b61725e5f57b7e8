%% Writes when users were last seen, in batches. Every name that ever logged in
%% keeps a row.
-module(iris_status_batcher).
-behaviour(gen_server).
-export([start_link/0, submit/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(FLUSH_MS, 500).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

submit(User, offline) -> gen_server:cast(?MODULE, {offline, User, os:system_time(second)}).

init([]) ->
    process_flag(trap_exit, true),
    erlang:send_after(?FLUSH_MS, self(), flush),
    {ok, #{}}.

handle_call(_, _, Seen) -> {reply, ok, Seen}.

handle_cast({offline, User, At}, Seen) -> {noreply, Seen#{User => At}}.

handle_info(flush, Seen) ->
    erlang:send_after(?FLUSH_MS, self(), flush),
    {noreply, flush(Seen)};
handle_info(_, Seen) ->
    {noreply, Seen}.

terminate(_, Seen) -> flush(Seen).

flush(Seen) when map_size(Seen) =:= 0 -> Seen;
flush(Seen) ->
    mnesia:activity(sync_transaction, fun() ->
        [mnesia:write({user_status, User, At}) || {User, At} <- maps:to_list(Seen)]
    end),
    #{}.
