package host

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

func TestFactsOfThisMachine(t *testing.T) {
	dir := folder(t, "")
	vm := startVM(t, dir, "-sname", "iris_edge1", "-setcookie", "hush")
	l4, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l4.Close()
	n := node(dir)
	n.Port = l4.Addr().(*net.TCPAddr).Port
	names := func() (map[string]int, error) { return map[string]int{"iris_edge1": 4711}, nil }
	eventually(t, "the VM runs", func() bool {
		_, ok, err := NewLocal(nil).Process(t.Context(), n)
		return ok && err == nil
	})
	f, err := NewLocal(func(context.Context, string) (map[string]int, error) { return names() }).Facts(t.Context(), n)
	if err != nil || len(f.Unknown) != 0 {
		t.Fatalf("%+v, %v", f.Unknown, err)
	}
	mem, disk := *f.Memory, *f.Disk
	if *f.CPUs < 1 || *f.Uptime <= 0 || mem.Total < 64<<20 || mem.Available > mem.Total || mem.Used() > mem.Total ||
		disk.Total == 0 || disk.Free > disk.Total || f.Processes.Used < 2 || f.Processes.Max < f.Processes.Used || f.Files.Used == 0 ||
		f.NodeFiles.Used < 3 || f.NodeFiles.Max < f.NodeFiles.Used || f.EPMD.Names["iris_edge1"] != 4711 {
		t.Errorf("%+v", f)
	}
	if want := (cluster.VM{PID: vm.PID, Name: "iris_edge1"}); !hasVM(f, want) {
		t.Errorf("no %+v among %+v", want, f.VMs)
	}
	on := f.Ports.On(n.Port)
	if f.Ports.NoOwners != nil || len(on) != 1 || on[0].PID != os.Getpid() || on[0].Addr != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("on the port: %+v; want the owner %d", on, os.Getpid())
	}
	// df says the same of the disk.
	out, err := exec.Command("df", "--output=size", "-B1", dir).Output()
	if size := fmt.Sprint(disk.Total); err != nil || !strings.Contains(string(out), size) {
		t.Errorf("df says %s, we say %s", out, size)
	}
	n.Host = "h2"
	if _, err := NewLocal(nil).Facts(t.Context(), n); actions.CodeOf(err) != actions.CodeNotHere {
		t.Error(err)
	}
}

// The owner of a port is told over SSH too.
func TestRemoteTellsWhoHasAPort(t *testing.T) {
	l4, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l4.Close()
	f, err := newSSHD(t).remote(t).Facts(t.Context(), there(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	on := f.Ports.On(l4.Addr().(*net.TCPAddr).Port)
	if len(on) != 1 || f.Ports.NoOwners == nil && on[0].PID != os.Getpid() || f.Ports.NoOwners != nil && on[0].PID != 0 {
		t.Errorf("%+v, %v", on, f.Ports.NoOwners)
	}
	t.Logf("owners: %+v, %v", on, f.Ports.NoOwners)
}

// What cannot be read is unknown, with a reason, and never 0.
func TestUnreadableFactsAreUnknown(t *testing.T) {
	var s seen
	s.files.value = map[string][]byte{
		fileUptime: []byte("x y\n"), fileLoad: []byte("1 2"), fileMemory: []byte("MemTotal: 5 kB\nMemFree: 3 kB\n"),
		fileOpen: []byte("1 2\n"), filePIDMax: []byte("\n"), fileCPUs: []byte("3-1\n"),
	}
	for _, err := range []*error{&s.disk.err, &s.nodeFiles.err, &s.vms.err, &s.ports.err, &s.epmd.err} {
		*err = errNodeDown
	}
	f := s.facts()
	var unknown []string
	for _, u := range f.Unknown {
		unknown = append(unknown, u.Fact)
	}
	want := []string{"uptime", "processors", "load", "memory", "swap", "disk", "processes", "open files", "open files of the node", "Erlang VMs", "open ports", "epmd"}
	if diff := cmp.Diff(want, unknown); diff != "" {
		t.Error(diff)
	}
	f.Unknown = nil
	if diff := cmp.Diff(cluster.HostFacts{}, f); diff != "" {
		t.Error(diff)
	}
	if err := tooManyFiles(s.files); err == nil {
		t.Error("owners are looked for, with an unknown number of files")
	}
	s.files.value[fileOpen] = []byte("50001 0 99999\n")
	if err := tooManyFiles(s.files); actions.CodeOf(err) != actions.CodeTooLarge {
		t.Error(err)
	}
}

func TestParseFacts(t *testing.T) {
	is := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	load, err := parseLoad([]byte("5.56 3.81 0.00 2/245 15256\n"))
	is("load", load, cluster.Load{One: 5.56, Five: 3.81}, err)
	up, err := parseUptime([]byte("90.50 1.00\n"))
	is("uptime", up, 90*time.Second+500*time.Millisecond, err)
	for text, want := range map[string]int{"0\n": 1, "0-1\n": 2, "0-3,6,8-9\n": 7} {
		cpus, err := parseCPUs([]byte(text))
		is("processors", cpus, want, err)
	}
	memory := []byte("MemTotal:       16307244 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n")
	m, err := parseMemory(memory)
	is("memory", m, cluster.Memory{Total: 16307244 << 10, Available: 12000000 << 10}, err)
	m, err = parseSwap(memory)
	is("swap", m, cluster.Memory{}, err)
	open, err := parseOpenFiles([]byte("1516\t0\t2466177\n"))
	is("open files", open, cluster.Quota{Used: 1516, Max: 2466177}, err)
	limits := "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n"
	most, err := parseFileLimit([]byte(limits))
	is("limit", most, uint64(1024), err)
	most, err = parseFileLimit([]byte(strings.Replace(limits, "1024 ", "unlimited ", 1)))
	is("no limit", most, uint64(math.MaxUint64), err)
	disk, ok := parseDisk("/srv 2c0a 255 ef53 4096 4096 1000 500 400 64 32\n")
	if want := (cluster.Disk{Total: 4096000, Free: 1638400, Inodes: 64, FreeInodes: 32}); !ok || disk != want {
		t.Errorf("disk: %+v", disk)
	}
	for _, text := range []string{"", "NaN 1 1", "Inf 1 1", "-1 1 1", "1 2", "x y z"} {
		if got, err := parseLoad([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

const sockets = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F95 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:1111 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
`

func TestParseSockets(t *testing.T) {
	want := []socket{{netip.MustParseAddr("127.0.0.1"), 8085, 4711}, {netip.MustParseAddr("0.0.0.0"), 4369, 4712}}
	conns := sockets + strings.Repeat("   2: 0100007F:1F95 0100007F:A000 01 00000000:00000000 00:00000000 00000000 0 0 9 1 0 20 4 30 10 -1\n", 9)
	for name, text := range map[string]string{"listeners": sockets, "connections after them": conns} {
		got, err := parseSockets([]byte(text), 1<<20)
		if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := parseSockets([]byte(conns[:len(sockets)+150]), len(sockets)+150); len(got) != 2 || err != nil {
		t.Errorf("cut among the connections: %v, %v", got, err)
	}
	if _, err := parseSockets([]byte(sockets[:300]), 300); actions.CodeOf(err) != actions.CodeTooLarge {
		t.Errorf("cut among the listeners: %v", err)
	}
	for _, text := range []string{"x\n0: 1 2 0A\n", strings.Replace(sockets, "0100007F", "01007F", 1), strings.Replace(sockets, " 4711 ", " x ", 1)} {
		if got, err := parseSockets([]byte(text), 1<<20); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	addr, port, err := parseSocketAddr("00000000000000000000000001000000:1111")
	if addr != netip.MustParseAddr("::1") || port != 4369 || err != nil {
		t.Errorf("%v %d %v", addr, port, err)
	}
	addr, _, err = parseSocketAddr("0000000000000000FFFF00000100007F:1111")
	if addr != netip.MustParseAddr("127.0.0.1") || err != nil {
		t.Errorf("%v %v", addr, err)
	}
}

func TestParseOwner(t *testing.T) {
	tests := []struct {
		line, at string
		owner    owner
	}{
		{`LISTEN 0 128 127.0.0.1:8085 0.0.0.0:* users:(("beam.smp",pid=4711,fd=16))`, "127.0.0.1:8085", owner{4711, "beam.smp"}},
		{`LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=7,fd=4),("x",pid=8,fd=4))`, "[::]:22", owner{7, "sshd"}},
		{`LISTEN 0 128 *:8085 *:* users:(("a (b) \"c",pid=9,fd=4))`, "[::]:8085", owner{9, `a (b) \"c`}},
		{`LISTEN 0 128 127.0.0.53%lo:53 0.0.0.0:* users:(("resolved",pid=5,fd=4))`, "127.0.0.53:53", owner{5, "resolved"}},
		{`LISTEN 0 128 127.0.0.1:8085 0.0.0.0:*`, "", owner{}},
		{`LISTEN 0 128 x:y 0.0.0.0:* users:(("a",pid=9,fd=4))`, "", owner{}},
	}
	for _, tt := range tests {
		at, o, ok := parseOwner(tt.line)
		if ok != (tt.at != "") || ok && (at.String() != tt.at || o != tt.owner) {
			t.Errorf("%s: %v %v %v", tt.line, at, o, ok)
		}
	}
}

// Whatever a machine prints, reading it ends, and says what it could not read.
func TestParsersTakeAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]byte("0123456789AF:.,- \nkBMemTotal[]%*\x00\xff"))).Draw(t, "text")
		files := map[string][]byte{}
		for _, f := range factFiles {
			files[f] = text
		}
		f := seen{files: factTexts{value: files}}.facts()
		if f.Load != nil && (math.IsNaN(f.Load.One) || f.Load.One < 0) || f.CPUs != nil && *f.CPUs < 1 {
			t.Fatalf("%+v", f)
		}
		_, _ = parseSockets(text, 100)
		_, _, _ = parseOwner(string(text))
		_, _ = parseDisk(string(text))
		_, _ = parseFileLimit(text)
		_, _, _ = listedFile(string(text))
	})
}
