-module(iris_durable_batcher_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, {#{strategy => one_for_one, intensity => 10, period => 60},
          [#{id => I, start => {iris_durable_batcher, start_link, [I]}}
           || I <- lists:seq(1, iris_durable_batcher:shards())]}}.
