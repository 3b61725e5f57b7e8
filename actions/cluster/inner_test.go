package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions/erlang/term"
)

func ptr[T any](v T) *T { return &v }

// Facts are of a healthy machine, unless the node has its own.
func (w *world) Facts(_ context.Context, n Node) (HostFacts, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	if f.unseen != nil {
		return HostFacts{}, f.unseen
	}
	if f.facts != nil {
		return *f.facts, nil
	}
	return wellHost(), nil
}

func wellHost() HostFacts {
	return HostFacts{CPUs: ptr(4), Load: &Load{0.3, 0.4, 0.5}, Memory: &Memory{Total: 16 << 30, Available: 12 << 30},
		Swap: &Memory{}, Disk: &Disk{Total: 100 << 30, Free: 40 << 30, Inodes: 1000, FreeInodes: 900},
		Processes: &Quota{Used: 200, Max: 32768}, Files: &Quota{Used: 2000, Max: 1 << 20}, NodeFiles: &Quota{Used: 40, Max: 1024}}
}

type atom = term.Atom

// inner is what a healthy node says of itself.
func (w *world) inner(f *fakeNode, module, function string, args []term.Term) (term.Term, bool) {
	call := module + ":" + function
	full := call
	for _, a := range args {
		if a, ok := a.(term.Atom); ok {
			full += " " + string(a)
		}
	}
	if t, ok := f.says[full]; ok {
		return t, true
	}
	var cores term.List
	for _, o := range w.nodes {
		if o.Role == CoreRole && o.pid != 0 {
			cores = append(cores, term.Atom(o.Name))
		}
	}
	switch call {
	case "ets:lookup":
		if args[0] != term.Atom("mnesia_decision") {
			break
		}
		at, ok := f.lost[w.get(string(args[1].(term.Atom))).Short]
		if !ok {
			return term.List{}, true
		}
		at = at.UTC()
		return term.List{term.Tuple{atom("mnesia_down"), args[1], term.Tuple{int64(at.Year()), int64(at.Month()), int64(at.Day())},
			term.Tuple{int64(at.Hour()), int64(at.Minute()), int64(at.Second())}}}, true
	case "calendar:local_time_to_universal_time_dst":
		return term.List{args[0]}, true
	case "erl_scan:string":
		text, _ := term.AsString(args[0])
		return term.Tuple{atom("ok"), text, int64(1)}, true
	case "erl_parse:parse_exprs":
		return term.Tuple{atom("ok"), args[0]}, true
	case "erl_eval:exprs":
		return w.evaluated(f, args[0].(string)), true
	case "erlang:whereis":
		return term.NewPid(f.Name, 77, 0, 1), true
	case "supervisor:count_children":
		return term.List{term.Tuple{atom("specs"), int64(7)}, term.Tuple{atom("active"), int64(7)}}, true
	case "erlang:memory":
		return term.List{term.Tuple{atom("total"), int64(100 << 20)}, term.Tuple{atom("processes"), int64(40 << 20)},
			term.Tuple{atom("binary"), int64(5 << 20)}, term.Tuple{atom("ets"), int64(20 << 20)}}, true
	case "erlang:system_info":
		switch k := string(args[0].(term.Atom)); {
		case k == "otp_release":
			return "25", true
		case k == "schedulers_online":
			return int64(2), true
		case k == "wordsize":
			return int64(8), true
		case strings.HasSuffix(k, "_limit"):
			return int64(100_000), true
		default:
			return int64(120), true
		}
	case "erlang:statistics":
		return int64(0), true
	case "os:system_time":
		return w.now().UnixMilli(), true
	case "mnesia:system_info":
		switch args[0].(term.Atom) {
		case "is_running":
			return atom("yes"), true
		case "db_nodes", "running_db_nodes":
			return cores, true
		}
		return int64(3), true
	case "mnesia:table_info":
		switch args[1].(term.Atom) {
		case "where_to_write", "disc_copies":
			return cores, true
		case "ram_copies", "disc_only_copies":
			return term.List{}, true
		case "storage_type":
			return atom("disc_copies"), true
		}
		return int64(12), true
	case "iris_partition_guard:get_status":
		return term.Map{{Key: atom("mode"), Value: atom("normal")}, {Key: atom("expected_nodes"), Value: cores}}, true
	case "iris_durable_batcher:get_stats":
		return term.Map{{Key: atom("total_pending"), Value: int64(0)}, {Key: atom("remote_failures"), Value: int64(0)}}, true
	case "iris_flow_controller:get_stats":
		return term.Map{{Key: atom("level"), Value: atom("normal")}, {Key: atom("cascade_detected"), Value: atom("false")}, {Key: atom("rejected"), Value: int64(0)}}, true
	case "iris_circuit_breaker:get_all_status":
		return term.Map{}, true
	case "iris_async_router:get_local_count", "ets:select_count":
		return int64(0), true
	case "ets:info":
		if f.Role == EdgeRole {
			return atom("undefined"), true
		}
		return int64(12), true
	}
	return nil, false
}

func (w *world) evaluated(f *fakeNode, text string) term.Term {
	value := func(t term.Term) term.Term { return term.Tuple{atom("value"), t, term.List{}} }
	for name, e := range map[string]expression{"busiest": busiest, "utilization": utilization, "fullest": fullest, "waiting": waiting, "strays": strays} {
		if text != string(e) {
			continue
		}
		if t, ok := f.says[name]; ok {
			return value(t)
		}
		switch e {
		case busiest:
			rows := term.List{term.Tuple{int64(2), int64(90_000), "<0.70.0>", atom("rex"), atom("rpc")}}
			return value(term.Tuple{int64(120), atom("true"), rows, rows})
		case utilization:
			return value(0.04)
		}
	}
	return term.Tuple{atom("value"), atom(fmt.Sprintf("unknown at %s", w.now().Format(time.Kitchen))), term.List{}}
}
