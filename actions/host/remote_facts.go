package host

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"irisops/actions"
	"irisops/actions/cluster"
)

// maxOpenFiles bounds the list of a node's open descriptors, in bytes: about
// 600,000 of them.
const maxOpenFiles = 4 << 20

// Facts implements cluster.Machine.
func (r *Remote) Facts(ctx context.Context, n cluster.Node) (cluster.HostFacts, error) {
	if err := r.folder(n); err != nil {
		return cluster.HostFacts{}, err
	}
	if err := checkName(n); err != nil {
		return cluster.HostFacts{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if _, err := r.connected(ctx); err != nil {
		return cluster.HostFacts{}, err
	}
	var s seen
	var all sync.WaitGroup
	all.Go(func() {
		s.files.value, s.files.err = r.factFiles(ctx)
		s.ports.value, s.ports.err = r.ports(ctx, s.files)
	})
	all.Go(func() { s.disk.value, s.disk.err = r.disk(ctx, n.Dir) })
	all.Go(func() { s.processes.value, s.processes.err = r.countProcesses(ctx) })
	all.Go(func() {
		running, err := r.programs(ctx, "beam")
		if err != nil {
			s.vms.err, s.nodeFiles.err = err, err
			return
		}
		s.vms.value = vmsOf(running, int(r.page.Load()))
		s.nodeFiles.value, s.nodeFiles.err = r.nodeFiles(ctx, n, running)
	})
	all.Go(func() { s.epmd.value.Names, s.epmd.err = r.EPMDNames(ctx, n) })
	all.Wait()
	return s.facts(), nil
}

// factFiles reads all files in one go: grep puts the file's name before each
// line. One that cannot be read is left out.
func (r *Remote) factFiles(ctx context.Context) (map[string][]byte, error) {
	a, err := r.look(ctx, append([]string{"grep", "-H", "."}, factFiles...)...)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for line := range bytes.Lines(a.out) {
		file, rest, _ := bytes.Cut(line, []byte(":"))
		files[string(file)] = append(files[string(file)], rest...)
	}
	if len(files) == 0 {
		return nil, r.failed(a, "The state of the machine cannot be read")
	}
	return files, nil
}

// disk reads stat -f -t: NAME ID NAMELEN TYPE BLOCK FUNDAMENTAL TOTAL FREE
// AVAILABLE INODES FREEINODES, and the name has no space.
func (r *Remote) disk(ctx context.Context, dir string) (cluster.Disk, error) {
	a, err := r.look(ctx, "stat", "-f", "-t", dir)
	if err != nil {
		return cluster.Disk{}, err
	}
	if a.exit != 0 {
		return cluster.Disk{}, r.failed(a, "The disk of "+dir+" cannot be looked at")
	}
	disk, ok := parseDisk(string(a.out))
	if !ok {
		return cluster.Disk{}, actions.Errorf(CodeFailed, "What stat -f prints on %s cannot be read: %s", r.login, quote(string(a.out)))
	}
	return disk, nil
}

func parseDisk(text string) (cluster.Disk, bool) {
	f := strings.Fields(text)
	if len(f) != 11 {
		return cluster.Disk{}, false
	}
	var v [11]uint64
	for _, i := range []int{5, 6, 8, 9, 10} {
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return cluster.Disk{}, false
		}
		v[i] = n
	}
	return cluster.Disk{Total: v[6] * v[5], Free: v[8] * v[5], Inodes: v[9], FreeInodes: v[10]}, true
}

func (r *Remote) countProcesses(ctx context.Context) (uint64, error) {
	a, err := r.look(ctx, "ls", "/proc")
	if err != nil {
		return 0, err
	}
	count := uint64(0)
	for name := range bytes.FieldsSeq(a.out) {
		if _, err := strconv.Atoi(string(name)); err == nil {
			count++
		}
	}
	if a.exit != 0 || a.cut || count == 0 {
		return 0, r.failed(a, "The list of processes cannot be read")
	}
	return count, nil
}

func (r *Remote) nodeFiles(ctx context.Context, n cluster.Node, running []program) (cluster.Quota, error) {
	p, ok, err := r.processAmong(ctx, n, running)
	if err != nil {
		return cluster.Quota{}, err
	}
	if !ok {
		return cluster.Quota{}, errNodeDown
	}
	a, err := r.look(ctx, "cat", procFile(p.PID, "limits"))
	if err != nil {
		return cluster.Quota{}, err
	}
	if a.exit != 0 {
		return cluster.Quota{}, r.failed(a, "The limits of the node cannot be read")
	}
	most, err := parseFileLimit(a.out)
	if err != nil {
		return cluster.Quota{}, actions.Errorf(CodeFailed, "%s has an unknown shape: %w.", procFile(p.PID, "limits"), err)
	}
	a, err = r.lookAtMost(ctx, maxOpenFiles, "ls", "-U", procFile(p.PID, "fd"))
	switch {
	case err != nil:
		return cluster.Quota{}, err
	case a.cut:
		return cluster.Quota{}, actions.Errorf(actions.CodeTooLarge, "The node has more than %d open files: too many to count over SSH.", bytes.Count(a.out, []byte("\n")))
	case a.exit != 0:
		return cluster.Quota{}, r.failed(a, "The open files of the node cannot be counted")
	}
	return cluster.Quota{Used: uint64(bytes.Count(a.out, []byte("\n"))), Max: most}, nil
}

func (r *Remote) ports(ctx context.Context, files factTexts) (cluster.Ports, error) {
	var sockets []socket
	for _, file := range []string{fileSockets, fileSockets + "6"} {
		a, err := r.lookAtMost(ctx, maxSockets, "head", "-c", strconv.Itoa(maxSockets), file)
		if err != nil {
			return cluster.Ports{}, err
		}
		if a.exit > 0 {
			if file != fileSockets && reason(a) == fs.ErrNotExist {
				continue // a machine without IPv6
			}
			return cluster.Ports{}, r.failed(a, "The list of open ports cannot be read")
		}
		some, err := parseSockets(a.out, maxSockets)
		if err != nil {
			return cluster.Ports{}, unreadable(file, err)
		}
		sockets = append(sockets, some...)
	}
	ports := cluster.Ports{NoOwners: tooManyFiles(files)}
	owners := map[netip.AddrPort]owner{}
	if ports.NoOwners == nil {
		owners, ports.NoOwners = r.owners(ctx)
	}
	ports.Listening = listeners(sockets, func(s socket) (int, string) {
		o := owners[netip.AddrPortFrom(s.addr, uint16(s.port))]
		return o.pid, o.program
	})
	return ports, nil
}

// owner is a process that has a socket open.
type owner struct {
	pid     int
	program string
}

// owners asks ss(8), of iproute2, which processes have the listening sockets.
func (r *Remote) owners(ctx context.Context) (map[netip.AddrPort]owner, error) {
	a, err := r.look(ctx, "ss", "-H", "-l", "-t", "-n", "-p")
	if actions.CodeOf(err) == CodeNoProgram {
		return nil, &actions.Error{Code: CodeNoProgram, Err: err, Text: fmt.Sprintf("ss is not installed on %s, so the owners of its open ports are not known.", r.login),
			Hint: "On Debian: apt-get install iproute2."}
	}
	if err != nil {
		return nil, err
	}
	if a.exit != 0 {
		return nil, r.failed(a, "The owners of the open ports cannot be found")
	}
	owners := map[netip.AddrPort]owner{}
	for line := range strings.Lines(string(a.out)) {
		if at, o, ok := parseOwner(line); ok {
			owners[at] = o
		}
	}
	return owners, nil
}

var ssUser = regexp.MustCompile(`users:\(\("((?:[^"\\]|\\.)*)",pid=(\d+),`)

// parseOwner reads a line of ss:
// LISTEN 0 128 127.0.0.1:8085 0.0.0.0:* users:(("beam.smp",pid=4711,fd=16))
func parseOwner(line string) (at netip.AddrPort, o owner, ok bool) {
	f := strings.Fields(line)
	user := ssUser.FindStringSubmatch(line)
	if len(f) < 6 || user == nil {
		return at, o, false
	}
	local := strings.LastIndexByte(f[3], ':')
	if local < 0 {
		return at, o, false
	}
	host, _, _ := strings.Cut(strings.Trim(f[3][:local], "[]"), "%") // without the interface
	if host == "*" {
		host = "::"
	}
	addr, err := netip.ParseAddr(host)
	port, err2 := strconv.ParseUint(f[3][local+1:], 10, 16)
	pid, err3 := strconv.Atoi(user[2])
	if err != nil || err2 != nil || err3 != nil {
		return at, o, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), owner{pid, user[1]}, true
}
