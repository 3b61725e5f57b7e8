%% Looks at the load once a second, and asks os_mon for it although nobody
%% starts os_mon: hence two warnings a second in core.log for ever. They are
%% written here in os_mon's own words, so that they come whether or not that
%% library is installed.
-module(iris_flow_controller).
-behaviour(gen_server).
-export([start_link/0, get_stats/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(CHECK_MS, 1000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

get_stats() -> gen_server:call(?MODULE, get_stats).

init([]) ->
    erlang:send_after(?CHECK_MS, self(), check),
    {ok, none}.

handle_call(get_stats, _From, S) ->
    {reply, #{level => normal, cascade_detected => false, cpu_percent => 0.0,
              memory_percent => erlang:memory(total) / (8 * 1024 * 1024 * 1024),
              admitted => 0, rejected => 0}, S}.

handle_cast(_, S) -> {noreply, S}.

handle_info(check, S) ->
    [error_logger:warning_msg("OS_MON (~p) called by ~w, not started~n", [Service, self()])
     || Service <- [memsup, cpu_sup]],
    erlang:send_after(?CHECK_MS, self(), check),
    {noreply, S};
handle_info(_, S) ->
    {noreply, S}.
