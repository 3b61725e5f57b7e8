%% What the lab adds to an IRIS node: a file that says which operating-system
%% process has finished starting, so that `irisops lab up` need not guess.
-module(iris_lab).
-export([started/0]).

started() ->
    [Name, _Host] = string:split(atom_to_list(node()), "@"),
    File = filename:join("run", Name ++ ".started"),
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File ++ ".tmp", os:getpid()),
    ok = file:rename(File ++ ".tmp", File).
