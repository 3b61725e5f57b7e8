#!/bin/sh
# stop.sh [SIGNAL]: asks the Erlang nodes whose working folder is this one to
# stop (TERM), or sends them another signal. Nothing is found by name: nodes of
# other labs and of a real IRIS run in other folders.
signal=${1:-TERM}
here=$(pwd -P)
for proc in /proc/[0-9]*; do
	[ "$(readlink "$proc/cwd" 2>/dev/null)" = "$here" ] || continue
	case $(readlink "$proc/exe" 2>/dev/null) in
	*/beam.smp) kill -s "$signal" "${proc#/proc/}" && echo "$signal to ${proc#/proc/}" ;;
	esac
done
exit 0
