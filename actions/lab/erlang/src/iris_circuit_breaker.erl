%% Calls to a core that keeps failing are refused at once for half a minute;
%% then they are tried again, and three successes close the circuit.
-module(iris_circuit_breaker).
-behaviour(gen_server).
-export([start_link/0, call/4, call_with_fallback/5, get_status/1, get_all_status/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(FAILURES, 5).
-define(SUCCESSES, 3).
-define(RESET_MS, 30000).
-define(CALL_MS, 5000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

call(Node, M, F, Args) -> call_with_fallback(Node, M, F, Args, []).

call_with_fallback(Node, M, F, Args, Others) ->
    Result = case gen_server:call(?MODULE, {allowed, Node}) of
                 true -> counted(Node, rpc:call(Node, M, F, Args, ?CALL_MS));
                 false -> {error, circuit_open}
             end,
    case {Result, Others} of
        {{badrpc, _}, [Next | Rest]} -> call_with_fallback(Next, M, F, Args, Rest);
        {{error, circuit_open}, [Next | Rest]} -> call_with_fallback(Next, M, F, Args, Rest);
        _ -> Result
    end.

counted(Node, {badrpc, _} = Result) -> gen_server:cast(?MODULE, {failure, Node}), Result;
counted(Node, Result) -> gen_server:cast(?MODULE, {success, Node}), Result.

get_status(Node) -> maps:get(Node, get_all_status(), new()).

get_all_status() -> gen_server:call(?MODULE, get_all_status).

init([]) -> {ok, #{}}.

new() -> #{status => closed, failures => 0, successes_in_half_open => 0, total_calls => 0,
           avg_latency_ms => 0, reset_timeout_ms => ?RESET_MS}.

handle_call({allowed, Node}, _From, All) ->
    case maps:get(Node, All, new()) of
        #{status := open, opened := At} = B ->
            case erlang:monotonic_time(millisecond) - At >= ?RESET_MS of
                true -> {reply, true, All#{Node => B#{status := half_open,
                                                      successes_in_half_open := 0}}};
                false -> {reply, false, All}
            end;
        _ ->
            {reply, true, All}
    end;
handle_call(get_all_status, _From, All) ->
    {reply, maps:map(fun(_, B) -> maps:remove(opened, B) end, All), All}.

handle_cast({Outcome, Node}, All) ->
    B = maps:get(Node, All, new()),
    {noreply, All#{Node => outcome(Outcome, B#{total_calls := maps:get(total_calls, B) + 1})}}.

handle_info(_, All) -> {noreply, All}.

outcome(success, #{status := half_open, successes_in_half_open := N} = B)
  when N + 1 < ?SUCCESSES ->
    B#{successes_in_half_open := N + 1};
outcome(success, B) ->
    B#{status := closed, failures := 0};
outcome(failure, #{status := Status, failures := N} = B)
  when Status =:= half_open; N + 1 >= ?FAILURES ->
    B#{status := open, failures := N + 1, opened => erlang:monotonic_time(millisecond)};
outcome(failure, #{failures := N} = B) ->
    B#{failures := N + 1}.
