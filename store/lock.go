package store

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"irisops/actions"

	"golang.org/x/sys/unix"
)

// lock takes the lock that bbolt takes too (flock, exclusive). After patience it
// gives up with EWOULDBLOCK. The kernel frees the lock when the holder dies.
func lock(file *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

func locked(path string, file *os.File) error {
	who := "Another process"
	if pid, name := holder(file); pid != 0 {
		who = fmt.Sprintf("Process %d", pid)
		if name != "" {
			who = fmt.Sprintf("Process %d (%s)", pid, name)
		}
	}
	return &actions.Error{
		Code: CodeLocked,
		Text: fmt.Sprintf("%s has the database %s open; only one irisops can use it.", who, path),
		Hint: "Talk to the running one with irisops ctl, or stop it first.",
	}
}

// holder is the process that holds the lock, as far as the kernel tells:
// Linux lists locks in /proc/locks (proc_locks(5)); elsewhere, and across
// containers, it is not known, and 0 is returned.
func holder(file *os.File) (pid int, name string) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return 0, ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, ""
	}
	defer locks.Close()
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK ADVISORY WRITE 15284 fe:00:9979496 0 EOF
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != inode {
			continue
		}
		if pid, err = strconv.Atoi(f[4]); err != nil || pid <= 0 {
			return 0, ""
		}
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			return pid, ""
		}
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}
