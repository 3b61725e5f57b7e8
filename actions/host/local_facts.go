package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

var _ cluster.Machine = (*Local)(nil)

// Facts implements cluster.Machine.
func (l *Local) Facts(ctx context.Context, n cluster.Node) (cluster.HostFacts, error) {
	if err := here(n); err != nil {
		return cluster.HostFacts{}, err
	}
	var s seen
	s.files.value = map[string][]byte{}
	for _, file := range factFiles {
		if text, err := os.ReadFile(file); err == nil {
			s.files.value[file] = text
		}
	}
	s.disk.value, s.disk.err = localDisk(n.Dir)
	pids, err := allPIDs()
	s.processes = found[uint64]{uint64(len(pids)), err}
	s.vms.err = err
	if err == nil {
		s.vms.value = vmsOf(localVMs(pids), os.Getpagesize())
	}
	s.nodeFiles.value, s.nodeFiles.err = l.nodeFiles(ctx, n)
	s.ports.value, s.ports.err = localPorts(ctx, s.files, pids)
	s.epmd.value.Names, s.epmd.err = l.EPMDNames(ctx, n)
	return s.facts(), nil
}

func localDisk(dir string) (cluster.Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return cluster.Disk{}, classify(&fs.PathError{Op: "statfs", Path: dir, Err: err}, "The disk cannot be looked at")
	}
	block := uint64(st.Frsize)
	if block == 0 { // before Linux 2.6
		block = uint64(st.Bsize)
	}
	return cluster.Disk{Total: st.Blocks * block, Free: st.Bavail * block, Inodes: st.Files, FreeInodes: st.Ffree}, nil
}

func allPIDs() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, classify(err, "The list of processes cannot be read")
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, classify(err, "The list of processes cannot be read")
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func localVMs(pids []int) []program {
	var running []program
	for _, pid := range pids {
		stat, err := readStat(pid)
		if err != nil || !stat.vm() {
			continue
		}
		if cmdline, err := os.ReadFile(procFile(pid, "cmdline")); err == nil {
			running = append(running, program{pid, stat, arguments(cmdline)})
		}
	}
	return running
}

func (l *Local) nodeFiles(ctx context.Context, n cluster.Node) (cluster.Quota, error) {
	p, ok, err := l.Process(ctx, n)
	if err != nil {
		return cluster.Quota{}, err
	}
	if !ok {
		return cluster.Quota{}, errNodeDown
	}
	limits, err := os.ReadFile(procFile(p.PID, "limits"))
	if err != nil {
		return cluster.Quota{}, classify(err, "The limits of the node cannot be read")
	}
	most, err := parseFileLimit(limits)
	if err != nil {
		return cluster.Quota{}, actions.Errorf(CodeFailed, "%s has an unknown shape: %w.", procFile(p.PID, "limits"), err)
	}
	dir, err := os.Open(procFile(p.PID, "fd"))
	if err != nil {
		return cluster.Quota{}, classify(err, "The open files of the node cannot be counted")
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return cluster.Quota{}, classify(err, "The open files of the node cannot be counted")
	}
	return cluster.Quota{Used: uint64(len(names)), Max: most}, nil
}

func localPorts(ctx context.Context, files factTexts, pids []int) (cluster.Ports, error) {
	var sockets []socket
	for _, file := range []string{fileSockets, fileSockets + "6"} {
		text, err := beginning(file, maxSockets)
		if errors.Is(err, fs.ErrNotExist) && file != fileSockets {
			continue // a machine without IPv6
		}
		if err != nil {
			return cluster.Ports{}, classify(err, "The list of open ports cannot be read")
		}
		some, err := parseSockets(text, maxSockets)
		if err != nil {
			return cluster.Ports{}, unreadable(file, err)
		}
		sockets = append(sockets, some...)
	}
	ports := cluster.Ports{NoOwners: tooManyFiles(files)}
	owners := map[uint64]int{}
	if ports.NoOwners == nil {
		owners, ports.NoOwners = socketOwners(ctx, sockets, pids)
	}
	ports.Listening = listeners(sockets, func(s socket) (int, string) {
		pid := owners[s.inode]
		if pid == 0 {
			return 0, ""
		}
		stat, err := readStat(pid)
		if err != nil {
			return 0, ""
		}
		return pid, stat.comm
	})
	return ports, nil
}

func unreadable(file string, err error) error {
	var e *actions.Error
	if errors.As(err, &e) {
		return e
	}
	return actions.Errorf(CodeFailed, "%s has an unknown shape: %w.", file, err)
}

func beginning(file string, max int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

// socketOwners finds the lowest pid that has each socket open, among the
// processes whose files may be seen.
func socketOwners(ctx context.Context, sockets []socket, pids []int) (map[uint64]int, error) {
	wanted := map[string]uint64{}
	for _, s := range sockets {
		wanted[fmt.Sprintf("socket:[%d]", s.inode)] = s.inode
	}
	owners := map[uint64]int{}
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return nil, classify(err, "The owners of the open ports were not all found")
		}
		dir, err := os.Open(procFile(pid, "fd"))
		if err != nil {
			continue // another user's, or gone
		}
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		for _, name := range names {
			link, err := os.Readlink(procFile(pid, "fd/"+name))
			if err != nil || !strings.HasPrefix(link, "socket:") {
				continue
			}
			if inode, ok := wanted[link]; ok && (owners[inode] == 0 || pid < owners[inode]) {
				owners[inode] = pid
			}
		}
	}
	return owners, nil
}
