package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benched is the binary that is measured, built once.
var benched = sync.OnceValues(func() (string, error) {
	binary, err := filepath.Abs("../../build/irisops-bench")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-trimpath", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// process is a running irisops.
type process struct {
	*exec.Cmd
	took time.Duration // from its start until it took commands
}

// begin starts irisops and waits until it takes commands: what was open is taken
// up by then, and the clocks run.
func begin(b *testing.B, config, socket string) process {
	b.Helper()
	return beginHearing(b, config, socket, nil)
}

// beginHearing also has its words go to heard.
func beginHearing(b *testing.B, config, socket string, heard io.Writer) process {
	b.Helper()
	binary, err := benched()
	if err != nil {
		b.Fatal(err)
	}
	p := process{Cmd: exec.Command(binary, "run", "--config", config)}
	p.Stdout = heard
	began := time.Now()
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	untilAnswers(b, socket)
	p.took = time.Since(began)
	return p
}

// end stops it and says how much processor time it took in all, in ms.
func (p process) end(b *testing.B) float64 {
	b.Helper()
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		b.Fatal(err)
	}
	return (p.ProcessState.UserTime() + p.ProcessState.SystemTime()).Seconds() * 1000
}

// BenchmarkStart measures a whole process: from its start until it accepts
// commands, and what it then takes of memory (VmRSS less RssFile, as
// proc_pid_status(5) counts them).
func BenchmarkStart(b *testing.B) {
	config, socket := benchConfig(b, b.TempDir())
	begin(b, config, socket).end(b) // makes the database
	var starts, memories, cpus []float64
	for b.Loop() {
		for range 9 {
			p := begin(b, config, socket)
			starts = append(starts, p.took.Seconds()*1000)
			memories = append(memories, memory(b, p.Process.Pid))
			cpus = append(cpus, p.end(b))
		}
	}
	metric(b, "ms/start", starts)
	metric(b, "cpu-ms/start-and-stop", cpus)
	metric(b, "MB-idle", memories)
}

// BenchmarkBinary is how large the program is, as make build leaves it and
// without its symbols.
func BenchmarkBinary(b *testing.B) {
	for b.Loop() {
		for unit, flags := range map[string]string{"MB": "", "MB-stripped": "-s -w"} {
			path := filepath.Join(b.TempDir(), "irisops")
			if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", path, ".").CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			metric(b, unit, []float64{float64(info.Size()) / 1e6})
		}
	}
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
		<-time.After(200 * time.Microsecond) // its processor may be this one
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

// metric gives the median of the rounds of a benchmark.
func metric(b *testing.B, unit string, rounds []float64) {
	b.Helper()
	slices.Sort(rounds)
	b.ReportMetric(rounds[len(rounds)/2], unit)
	b.ReportMetric(0, "ns/op") // of all rounds: nobody wants to know
}
