package host

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Where the kernel keeps the facts about a machine (proc(5)).
const (
	fileUptime  = "/proc/uptime"
	fileLoad    = "/proc/loadavg"
	fileMemory  = "/proc/meminfo"
	fileOpen    = "/proc/sys/fs/file-nr"
	filePIDMax  = "/proc/sys/kernel/pid_max"
	fileCPUs    = "/sys/devices/system/cpu/online"
	fileSockets = "/proc/net/tcp"
	maxSockets  = 256 << 10 // bytes read of each list of sockets
)

var factFiles = []string{fileUptime, fileLoad, fileMemory, fileOpen, filePIDMax, fileCPUs}

// To find the owners of ports, all open files of all processes are looked
// through. With more than this many that would burden a busy machine.
const maxOwnerFiles = 50_000

var errNodeDown = errors.New("the node does not run there")

// found is one fact, or why it is not known.
type found[T any] struct {
	value T
	err   error
}

// seen is what was read of a machine, before it is put into cluster.HostFacts.
type seen struct {
	files     factTexts
	disk      found[cluster.Disk]
	processes found[uint64]
	nodeFiles found[cluster.Quota]
	vms       found[cluster.VMs]
	ports     found[cluster.Ports]
	epmd      found[cluster.EPMD]
}

// factTexts are those of factFiles that could be read.
type factTexts = found[map[string][]byte]

func (s seen) facts() cluster.HostFacts {
	var f cluster.HostFacts
	f.Uptime = known(&f, "uptime", fromFile(s.files, fileUptime, parseUptime))
	f.CPUs = known(&f, "processors", fromFile(s.files, fileCPUs, parseCPUs))
	f.Load = known(&f, "load", fromFile(s.files, fileLoad, parseLoad))
	f.Memory = known(&f, "memory", fromFile(s.files, fileMemory, parseMemory))
	f.Swap = known(&f, "swap", fromFile(s.files, fileMemory, parseSwap))
	f.Disk = known(&f, "disk", s.disk)
	processes := found[cluster.Quota]{err: s.processes.err}
	if s.processes.err == nil {
		most := fromFile(s.files, filePIDMax, parseNumber)
		processes = found[cluster.Quota]{cluster.Quota{Used: s.processes.value, Max: most.value}, most.err}
	}
	f.Processes = known(&f, "processes", processes)
	f.Files = known(&f, "open files", fromFile(s.files, fileOpen, parseOpenFiles))
	f.NodeFiles = known(&f, "open files of the node", s.nodeFiles)
	f.VMs = known(&f, "Erlang VMs", s.vms)
	f.Ports = known(&f, "open ports", s.ports)
	f.EPMD = known(&f, "epmd", s.epmd)
	return f
}

func known[T any](f *cluster.HostFacts, fact string, value found[T]) *T {
	if value.err != nil {
		f.Unknown = append(f.Unknown, cluster.UnknownFact{Fact: fact, Why: value.err})
		return nil
	}
	return &value.value
}

func fromFile[T any](files factTexts, file string, parse func([]byte) (T, error)) found[T] {
	text, ok := files.value[file]
	switch {
	case files.err != nil:
		return found[T]{err: files.err}
	case !ok:
		return found[T]{err: actions.Errorf(CodeFailed, "%s cannot be read.", file)}
	}
	value, err := parse(text)
	if err != nil {
		err = actions.Errorf(CodeFailed, "%s has an unknown shape: %w.", file, err)
	}
	return found[T]{value, err}
}

func parseUptime(text []byte) (time.Duration, error) {
	first, _, _ := bytes.Cut(text, []byte(" "))
	seconds, err := parseFloat(string(first))
	return time.Duration(seconds * float64(time.Second)), err
}

// parseFloat wants a plain number: no Inf, no NaN, not below 0.
func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || f < 0 || f > 1e9) {
		err = fmt.Errorf("%s is out of range", text)
	}
	return f, err
}

func parseLoad(text []byte) (cluster.Load, error) {
	f := strings.Fields(string(text))
	if len(f) < 3 {
		return cluster.Load{}, errors.New("too short")
	}
	one, err1 := parseFloat(f[0])
	five, err2 := parseFloat(f[1])
	fifteen, err3 := parseFloat(f[2])
	return cluster.Load{One: one, Five: five, Fifteen: fifteen}, errors.Join(err1, err2, err3)
}

// parseCPUs counts a list like 0-3,6.
func parseCPUs(text []byte) (int, error) {
	count := 0
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 20)
		last, err2 := strconv.ParseUint(to, 10, 20)
		if err := errors.Join(err1, err2); err != nil || last < first {
			return 0, fmt.Errorf("%q is no list of processors", text)
		}
		count += int(last - first + 1)
	}
	return count, nil
}

// parseMemory needs MemAvailable, which Linux has since 3.14: free memory alone
// would look like trouble on every healthy machine.
func parseMemory(text []byte) (cluster.Memory, error) {
	return memoryOf(text, "MemTotal", "MemAvailable")
}

func parseSwap(text []byte) (cluster.Memory, error) { return memoryOf(text, "SwapTotal", "SwapFree") }

func memoryOf(text []byte, total, available string) (cluster.Memory, error) {
	t, err1 := kilobytes(text, total)
	a, err2 := kilobytes(text, available)
	return cluster.Memory{Total: t, Available: a}, errors.Join(err1, err2)
}

// kilobytes reads "MemTotal:   16307244 kB" and gives bytes.
func kilobytes(text []byte, name string) (uint64, error) {
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == name+":" && f[2] == "kB" {
			n, err := strconv.ParseUint(f[1], 10, 53)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s", name)
}

func parseNumber(text []byte) (uint64, error) {
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// parseOpenFiles reads "1516 0 2466177": allocated, unused (always 0), most.
func parseOpenFiles(text []byte) (cluster.Quota, error) {
	f := strings.Fields(string(text))
	if len(f) != 3 {
		return cluster.Quota{}, errors.New("not three numbers")
	}
	used, err1 := strconv.ParseUint(f[0], 10, 64)
	unused, err2 := strconv.ParseUint(f[1], 10, 64)
	most, err3 := strconv.ParseUint(f[2], 10, 64)
	return cluster.Quota{Used: used - min(unused, used), Max: most}, errors.Join(err1, err2, err3)
}

// parseFileLimit finds the soft limit of open files in /proc/PID/limits.
func parseFileLimit(text []byte) (uint64, error) {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			f := strings.Fields(rest)
			if len(f) > 0 && f[0] == "unlimited" {
				return math.MaxUint64, nil
			}
			if len(f) > 0 {
				return strconv.ParseUint(f[0], 10, 64)
			}
		}
	}
	return 0, errors.New("there is no limit of open files in it")
}

// tooManyFiles says why the owners of ports are not looked for, or nil.
func tooManyFiles(files factTexts) error {
	open := fromFile(files, fileOpen, parseOpenFiles)
	switch {
	case open.err != nil:
		return open.err
	case open.value.Used > maxOwnerFiles:
		return actions.Errorf(actions.CodeTooLarge, "The machine has %d open files; looking through them for the owners of its ports would burden it.", open.value.Used)
	}
	return nil
}

// socket is one listening socket.
type socket struct {
	addr  netip.Addr
	port  int
	inode uint64
}

// parseSockets reads the listening sockets of /proc/net/tcp or tcp6, of which text
// is the beginning, at most max bytes of it. The kernel lists them before all
// connections, of which there may be a hundred thousand.
func parseSockets(text []byte, max int) ([]socket, error) {
	lines := bytes.Split(text, []byte("\n"))
	if len(text) >= max { // the last line may be cut
		lines = lines[:len(lines)-1]
	}
	var all []socket
	for _, line := range lines[min(1, len(lines)):] { // after the heading
		f := strings.Fields(string(line))
		if len(f) == 0 {
			continue
		}
		if len(f) < 10 {
			return nil, fmt.Errorf("%.80q is no socket", line)
		}
		if f[3] != "0A" { // TCP_LISTEN
			return all, nil
		}
		addr, port, err := parseSocketAddr(f[1])
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("%.80q is no socket: %w", line, err)
		}
		all = append(all, socket{addr, port, inode})
	}
	if len(text) >= max {
		return nil, actions.Errorf(actions.CodeTooLarge, "The list of open ports is longer than %d KiB.", max>>10)
	}
	return all, nil
}

// parseSocketAddr reads "0100007F:1F90": 127.0.0.1, port 8080. An address is
// written as words of 32 bits, each with its lowest byte first (on every machine
// that IRIS runs on).
func parseSocketAddr(text string) (netip.Addr, int, error) {
	hex, portHex, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portHex, 16, 16)
	if err != nil || len(hex) != 8 && len(hex) != 32 {
		return netip.Addr{}, 0, errors.New("no address and port")
	}
	var raw []byte
	for ; hex != ""; hex = hex[8:] {
		word, err := strconv.ParseUint(hex[:8], 16, 32)
		if err != nil {
			return netip.Addr{}, 0, err
		}
		raw = append(raw, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr.Unmap(), int(port), nil
}

// nameOf is the -sname or -name argument of a VM, fit to be shown.
func nameOf(args []string) string {
	for i := 0; i+1 < len(args); i++ {
		if args[i] == "-sname" || args[i] == "-name" {
			return cutLine(printable([]byte(args[i+1])), maxWord)
		}
	}
	return ""
}

// program is a running process with its arguments.
type program struct {
	pid  int
	stat procStat
	args []string
}

// vmsOf lists the VMs among programs.
func vmsOf(running []program, page int) cluster.VMs {
	vms := cluster.VMs{Running: []cluster.VM{}}
	for _, p := range running {
		if p.stat.vm() {
			vms.Running = append(vms.Running, cluster.VM{PID: p.pid, Name: nameOf(p.args),
				State: p.stat.stateName(), RSS: p.stat.pages * uint64(page)})
		}
	}
	return vms
}

// listeners joins sockets with the owners that are known, by inode.
func listeners(sockets []socket, owner func(socket) (int, string)) []cluster.Listener {
	all := []cluster.Listener{}
	for _, s := range sockets {
		pid, name := owner(s)
		all = append(all, cluster.Listener{Addr: s.addr, Port: s.port, PID: pid, Program: cutLine(printable([]byte(name)), maxWord)})
	}
	return all
}
