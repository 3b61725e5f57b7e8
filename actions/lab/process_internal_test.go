package lab

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestAReusedPidIsLeftAlone(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	now, err := lookup(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if now.gone() || now.parent != os.Getpid() {
		t.Errorf("%+v", now)
	}
	earlier := now
	earlier.started--
	if !earlier.gone() {
		t.Error("a process that had this pid earlier is not gone")
	}
	if err := earlier.signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := now.signal(0); err != nil || now.gone() {
		t.Errorf("the signal hit the process that has the pid now: %v", err)
	}
	if err := now.signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	if !now.gone() {
		t.Error("it is not gone")
	}
	if err := now.signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
