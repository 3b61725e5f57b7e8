package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart measures a whole process: from its start until it accepts
// commands, and what it then takes of memory (VmRSS less RssFile, as
// proc_pid_status(5) counts them).
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "irisops")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	config, socket := benchConfig(b, dir)
	var starts, memories []float64
	for range 9 {
		cmd := exec.Command(binary, "run", "--config", config)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		untilAnswers(b, socket)
		starts = append(starts, float64(time.Since(began).Microseconds())/1000)
		memories = append(memories, memory(b, cmd.Process.Pid))
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	figure("cold start until commands are taken, median of 9", median(starts), "ms", 50)
	figure("memory when idle, median of 9", median(memories), "MB", 25)
}

func benchConfig(b *testing.B, dir string) (config, socket string) {
	cookie := filepath.Join(dir, "cookie")
	socket = filepath.Join(dir, "s")
	config = filepath.Join(dir, "irisops.yaml")
	text := fmt.Sprintf(`data: %s/data
listen: 127.0.0.1:0
socket: {path: %s}
people: [{id: operator, roles: [operator, approver]}]
oncall: {primary: operator, sre: operator, owner: operator}
clusters:
  - name: main
    cookie_file: %s
    nodes:
      - {short: core, name: iris_core@localhost, role: core, host: local, dir: %s}
`, dir, socket, cookie, dir)
	for path, text := range map[string]string{cookie: "a_cookie_for_the_benchmark", config: text} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return config, socket
}

func untilAnswers(b *testing.B, socket string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return
		}
	}
	b.Fatal("it does not answer")
}

// memory is what the process holds itself, in MB.
func memory(b *testing.B, pid int) float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	kb := map[string]float64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64); err == nil {
			kb[name] = n
		}
	}
	if kb["VmRSS"] == 0 {
		b.Fatal("the kernel does not say how much memory it takes")
	}
	return (kb["VmRSS"] - kb["RssFile"]) / 1024
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// figure prints a line of make bench.
func figure(name string, value float64, unit string, bound float64) {
	verdict := "held"
	if value > bound {
		verdict = "missed"
	}
	fmt.Printf("figure\t%s\t%.1f %s\t<= %g %s\t%s\n", name, value, unit, bound, unit, verdict)
}
