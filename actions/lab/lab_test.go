package lab_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// shared is a lab of one core and two edges that no test kills anything of.
var shared *lab.Lab

func TestMain(m *testing.M) {
	os.Setenv("LAB_TEST_SECRET", "xyzzy") // must not reach any node
	os.Exit(labtest.Main(m, lab.Options{}, &shared))
}

// eventually waits for something that real processes take a moment to do.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

func node(t *testing.T, l *lab.Lab, short string) lab.Node {
	t.Helper()
	n, err := l.Node(short)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func states(t *testing.T, l *lab.Lab) map[string]lab.State {
	t.Helper()
	s, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]lab.State{}
	for _, n := range s.Nodes {
		got[n.Short] = n.State
	}
	return got
}

func pid(t *testing.T, l *lab.Lab, short string) int {
	t.Helper()
	s, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		if n.Short == short {
			return n.PID
		}
	}
	return 0
}

var evals atomic.Int32

// ask evaluates an Erlang expression on a hidden node of the test's own and
// returns how the value prints. In the expression Call(M, F, A) calls a function
// on the lab's node by rpc.
func ask(t *testing.T, l *lab.Lab, short, expression string) string {
	t.Helper()
	return askAll(t, l, short, expression)[0]
}

// askAll does so for several expressions, each of which prints on one line.
func askAll(t *testing.T, l *lab.Lab, short string, expressions ...string) []string {
	t.Helper()
	var program strings.Builder
	for _, e := range expressions {
		fmt.Fprintf(&program, "io:format(\"~0p~n\", [(fun() -> %s end)()]), ", e)
	}
	n := node(t, l, short)
	_, host, _ := strings.Cut(n.Name, "@")
	own := fmt.Sprintf("labtest_%d_%d@%s", os.Getpid(), evals.Add(1), host)
	cmd := exec.CommandContext(t.Context(), "erl", "-noshell", "-hidden", "-start_epmd", "false",
		"-sname", own, "-setcookie", lab.Cookie, "+S", "1:1",
		"-eval", fmt.Sprintf("Call = fun(M, F, A) -> rpc:call('%s', M, F, A, 10000) end, %s halt().", n.Name, program.String()))
	cmd.Env = append(os.Environ(), "ERL_EPMD_PORT="+strconv.Itoa(l.EPMDPort()))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", expressions, short, err, out)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(expressions) {
		t.Fatalf("%s on %s:\n%s", expressions, short, out)
	}
	return lines
}

func TestNodesAreAsInIRIS(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(map[string]lab.State{"core": lab.Running, "edge1": lab.Running, "edge2": lab.Running}, states(t, shared)); diff != "" {
		t.Errorf("states: %s", diff)
	}
	core := node(t, shared, "core")
	if want := "iris_core" + shared.Suffix(); core.Alive() != want {
		t.Errorf("the core is called %s, want %s", core.Alive(), want)
	}
	if got, want := node(t, shared, "edge2").Port, node(t, shared, "edge1").Port+1; got != want {
		t.Errorf("edge2 listens on %d, want %d", got, want)
	}

	type check struct{ expression, want string }
	checks := map[string][]check{}
	for _, c := range []struct{ where, expression, want string }{
		{"core", "[lists:keymember(A, 1, Call(application, which_applications, [])) || A <- [iris_core, mnesia, iris_edge]]", "[true,true,false]"},
		{"edge1", "[lists:keymember(A, 1, Call(application, which_applications, [])) || A <- [iris_core, mnesia, iris_edge]]", "[false,false,true]"},
		{"core", "C = Call(supervisor, count_children, [iris_core]), proplists:get_value(specs, C) =:= proplists:get_value(active, C)", "true"},
		{"edge1", "C = Call(supervisor, count_children, [iris_edge_sup]), proplists:get_value(specs, C) =:= proplists:get_value(active, C)", "true"},

		// Tables, and where presence really lives.
		{"core", "lists:sort(Call(mnesia, system_info, [tables]))", "[dedup_log,offline_msg,presence,revoked_tokens,schema,user_meta,user_status]"},
		{"core", "[Call(mnesia, table_info, [offline_msg, I]) || I <- [type, storage_type, attributes]]", "[bag,disc_copies,[key,timestamp,msg]]"},
		{"core", "[Call(mnesia, table_info, [presence, I]) || I <- [type, storage_type, attributes]]", "[set,ram_copies,[user,node,pid]]"},
		{"core", "[{Call(mnesia, table_info, [T, storage_type]), Call(mnesia, table_info, [T, attributes])} || T <- [user_meta, user_status, revoked_tokens, dedup_log]]",
			"[{disc_copies,[user,bucket_count]},{disc_copies,[user,last_seen]},{disc_copies,[jti,timestamp]},{disc_copies,[msg_id,timestamp]}]"},
		{"core", "[is_list(Call(ets, info, [T])) || T <- [presence_local, local_presence_v2]]", "[true,false]"},
		{"edge1", "[is_list(Call(ets, info, [T])) || T <- [presence_local, local_presence_v2]]", "[false,true]"},
		{"edge1", "Call(mnesia, system_info, [is_running])", "no"},
		{"core", "Call(mnesia, table_info, [no_such_table, size])", "0"},

		// What IRIS says of itself.
		{"core", "maps:with([mode, expected_nodes, safe_for_writes], Call(iris_partition_guard, get_status, []))", "#{expected_nodes => [],mode => normal,safe_for_writes => true}"},
		{"core", "maps:get(level, Call(iris_flow_controller, get_stats, []))", "normal"},
		{"core", "maps:get(total_pending, Call(iris_durable_batcher, get_stats, []))", "0"},
		{"core", "Call(iris_durable_batcher, force_flush, [])", "ok"},
		{"edge1", "is_integer(Call(iris_async_router, get_local_count, []))", "true"},
		{"edge1", "is_map(Call(iris_circuit_breaker, get_all_status, []))", "true"},

		// What IRIS lacks.
		{"core", "element(1, element(2, element(2, Call(iris_offline_storage, redeliver, [<<\"u\">>]))))", "undef"},
		{"core", "element(1, element(2, element(2, Call(iris_durable_batcher, replay_wal, []))))", "undef"},
		{"core", "Call(iris_metrics, get_metrics, [])", "#{}"},
		{"core", "element(1, element(2, element(2, Call(iris_core, lookup_user, [<<\"nobody\">>]))))", "noproc"},
		{"core", "Call(iris_core, get_status, [<<\"nobody\">>])", "{online,false,0}"},
	} {
		checks[c.where] = append(checks[c.where], check{c.expression, c.want})
	}
	for where, list := range checks {
		var expressions []string
		for _, c := range list {
			expressions = append(expressions, c.expression)
		}
		for i, got := range askAll(t, shared, where, expressions...) {
			if got != list[i].want {
				t.Errorf("on %s, %s\n got %s\nwant %s", where, list[i].expression, got, list[i].want)
			}
		}
	}
}

func TestMakefileIsAsInIRIS(t *testing.T) {
	t.Parallel()
	dryRun := func(target string, vars ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"-n", target}, vars...)...)
		cmd.Dir = shared.Dir()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, target := range []string{"start", "start_core", "start_edge1", "start_edge2", "start_edge3", "start_edge4", "start_edge5", "stop"} {
		if out, err := dryRun(target); err != nil {
			t.Errorf("make -n %s: %v\n%s", target, err, out)
		}
	}
	if out, err := dryRun("mesh"); err == nil {
		t.Errorf("there is a target mesh, which IRIS never had:\n%s", out)
	}
	out, err := dryRun("start_edge2", "NODE_SUFFIX=_other")
	if err != nil || !strings.Contains(out, "-sname iris_edge2_other") || !strings.Contains(out, ">edge2.log 2>&1 &") ||
		!strings.Contains(out, fmt.Sprintf("-iris_edge port %d ", node(t, shared, "edge2").Port)) {
		t.Errorf("make -n start_edge2 NODE_SUFFIX=_other: %v\n%s", err, out)
	}
	if strings.Contains(out, "erlc") {
		t.Errorf("nothing changed, and yet it would compile:\n%s", out)
	}
}

func TestNoiseInCoreLog(t *testing.T) {
	t.Parallel()
	// As os_mon 2.8 writes it on OTP 25.2.3.
	shape := regexp.MustCompile(`(?m)^=WARNING REPORT==== \d+-\w{3}-\d{4}::\d\d:\d\d:\d\d\.\d{6} ===\n` +
		`OS_MON \((memsup|cpu_sup)\) called by <0\.\d+\.0>, not started\n\n`)
	file := node(t, shared, "core").Log
	var found []string
	eventually(t, 10*time.Second, "six warnings of os_mon", func() bool {
		text, err := os.ReadFile(file)
		found = nil
		for _, m := range shape.FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
		return err == nil && len(found) >= 6
	})
	if diff := cmp.Diff([]string{"memsup", "cpu_sup", "memsup", "cpu_sup"}, found[:4]); diff != "" {
		t.Error(diff)
	}
}

func TestEverythingListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	outside := ownAddress(t)
	names := epmdNames(t, shared)
	ports := []int{shared.EPMDPort(), node(t, shared, "edge1").Port, node(t, shared, "edge2").Port}
	for _, n := range shared.Nodes() {
		if names[n.Alive()] == 0 {
			t.Errorf("epmd does not know %s: %v", n.Alive(), names)
		}
		ports = append(ports, names[n.Alive()])
	}
	for _, port := range ports {
		if err := dial(t.Context(), "127.0.0.1", port); err != nil {
			t.Errorf("port %d: %v", port, err)
		}
		if outside == "" {
			continue
		}
		if err := dial(t.Context(), outside, port); err == nil {
			t.Errorf("port %d is open on %s", port, outside)
		}
	}
}

// ownAddress is an address of this machine that is not on the loopback, "" if
// there is none.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	return ""
}

func dial(ctx context.Context, host string, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

func epmdNames(t *testing.T, l *lab.Lab) map[string]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "epmd", "-port", strconv.Itoa(l.EPMDPort()), "-names")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("epmd -names: %v\n%s", err, out)
	}
	names := map[string]int{}
	for line := range strings.Lines(string(out)) {
		var name string
		var port int
		if _, err := fmt.Sscanf(line, "name %s at port %d", &name, &port); err == nil {
			names[name] = port
		}
	}
	return names
}

func TestNodesInheritNoSecrets(t *testing.T) {
	t.Parallel()
	for _, n := range shared.Nodes() {
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid(t, shared, n.Short)), "environ"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(env), "xyzzy") {
			t.Errorf("%s inherited this program's secret", n.Short)
		}
		if !strings.Contains(string(env), "ERL_EPMD_PORT="+strconv.Itoa(shared.EPMDPort())+"\x00") {
			t.Errorf("%s does not know the lab's epmd", n.Short)
		}
	}
}

func TestConfigPointsAtTheLab(t *testing.T) {
	t.Parallel()
	type config struct {
		Data   string
		Listen string
		Socket struct{ Path string }
		People []struct {
			ID, Unix string
			Roles    []string
		}
		Oncall   map[string]string
		Policies map[string]any
		Checks   map[string]any
		Drill    struct{ Notice string }
		Clusters []struct {
			Name       string
			CookieFile string `yaml:"cookie_file"`
			EPMDPort   int    `yaml:"epmd_port"`
			Nodes      []struct {
				Short, Name, Role, Host, Dir, Target, Log string
				Port                                      int
				Drill                                     bool
			}
		}
	}
	text, err := os.ReadFile(shared.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(c.People) != 4 || len(c.Policies) != 0 || len(c.Clusters) != 1 {
		t.Fatalf("people %v, policies %v, clusters %v", c.People, c.Policies, c.Clusters)
	}
	cluster := c.Clusters[0]
	if cluster.EPMDPort != shared.EPMDPort() || cluster.CookieFile != shared.CookieFile() || len(cluster.Nodes) != 3 {
		t.Errorf("%+v", cluster)
	}
	for i, n := range shared.Nodes() {
		got := cluster.Nodes[i]
		if got.Name != n.Name || got.Short != n.Short || got.Role != string(n.Role) || got.Host != "local" ||
			got.Drill != (n.Role == lab.Edge) || // the only core is never struck
			got.Target != n.Target || got.Port != n.Port || filepath.Join(got.Dir, got.Log) != n.Log {
			t.Errorf("%+v\nis not %+v", got, n)
		}
	}
	for _, file := range []string{shared.ConfigFile(), shared.CookieFile(), filepath.Join(shared.Dir(), "lab.json")} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
	if cookie, err := os.ReadFile(shared.CookieFile()); err != nil || strings.TrimSpace(string(cookie)) != lab.Cookie {
		t.Errorf("cookie file: %q, %v", cookie, err)
	}
}
