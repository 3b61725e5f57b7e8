%% Would keep metrics if somebody started it. Nobody does, so there are none.
-module(iris_metrics).
-export([get_metrics/0]).

get_metrics() -> #{}.
