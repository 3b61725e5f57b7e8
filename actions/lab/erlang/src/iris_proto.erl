%% The wire protocol. All numbers are big-endian. Two of its packets have no
%% length and so take whatever the segment holds: a login that shares its
%% segment with another packet, or two acknowledgements in one segment, are
%% read as one long name or id.
-module(iris_proto).
-export([decode/1, delivery/2, status/3]).

-define(MAX_NAME, 256).
-define(MAX_ID, 64).
-define(MAX_BATCH, 1048576).

%% decode(Buffer) -> {Packet, Rest} | more. A malformed packet costs the whole
%% buffer: {ignored, <<>>}.
decode(<<>>) -> more;
decode(<<1, User/binary>>) when byte_size(User) =< ?MAX_NAME -> {{login, User}, <<>>};
decode(<<3, Id/binary>>) when byte_size(Id) =< ?MAX_ID -> {{ack, Id}, <<>>};
decode(<<Op, Len:16, _/binary>>) when Op =/= 1, Op =/= 3, Op < 6, Len > ?MAX_NAME ->
    {ignored, <<>>};
decode(<<2, L:16, To:L/binary, N:16, Msg:N/binary, Rest/binary>>) -> {{send, To, Msg}, Rest};
decode(<<4, L:16, _:L/binary, N:32, _/binary>>) when N > ?MAX_BATCH -> {ignored, <<>>};
decode(<<4, L:16, To:L/binary, N:32, Batch:N/binary, Rest/binary>>) ->
    {{send_batch, To, [Msg || <<M:16, Msg:M/binary>> <= Batch]}, Rest};
decode(<<5, L:16, User:L/binary, Rest/binary>>) -> {{status, User}, Rest};
decode(<<Op, _/binary>>) when Op =:= 2; Op =:= 4; Op =:= 5 -> more;
decode(_) -> {ignored, <<>>}.

delivery(Id, Msg) ->
    <<16, (byte_size(Id)):16, Id/binary, (byte_size(Msg)):32, Msg/binary>>.

status(User, Online, LastSeen) ->
    Byte = case Online of true -> 1; false -> 0 end,
    <<6, (byte_size(User)):16, User/binary, Byte, LastSeen:64>>.
