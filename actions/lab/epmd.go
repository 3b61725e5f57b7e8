package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"irisops/actions"
)

// startEPMD starts the lab's epmd in a session of its own, and waits until it
// answers.
func (l *Lab) startEPMD(ctx context.Context) error {
	if running, err := l.epmds(); err != nil || len(running) > 0 {
		return err
	}
	if err := free(l.state.EPMDPort); err != nil {
		return err
	}
	cmd := exec.Command("epmd", "-port", strconv.Itoa(l.state.EPMDPort), "-address", l.state.Address)
	cmd.Dir = "/"
	cmd.Env = append(environment(), l.marker()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return actions.Errorf(CodeNotStarted, "epmd did not start: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // reaps it when it ends

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := poll(ctx, func() bool {
		if len(ended) > 0 {
			return true
		}
		_, err := l.registered(ctx)
		return err == nil
	})
	if len(ended) > 0 {
		return &actions.Error{Code: CodePortInUse, Err: <-ended,
			Text: fmt.Sprintf("epmd ended at once on port %d: something else is using that port.", l.state.EPMDPort),
			Hint: "Choose another with --epmd-port."}
	}
	if err != nil {
		return actions.Errorf(CodeNotStarted, "epmd does not answer on port %d: %w", l.state.EPMDPort, err)
	}
	return nil
}

// marker is what tells this lab's epmd from any other: a variable in the
// environment it was started with. The Makefile exports the same.
func (l *Lab) marker() []string {
	return []string{
		"LAB_DIR=" + l.state.Dir,
		"ERL_EPMD_PORT=" + strconv.Itoa(l.state.EPMDPort),
		"ERL_EPMD_ADDRESS=" + l.state.Address,
	}
}

// epmds are the processes of the lab's epmd: the one that Up started, or the
// one that a node started because that was gone.
func (l *Lab) epmds() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p process) bool {
		args := p.args()
		return len(args) == 0 || filepath.Base(args[0]) != "epmd" ||
			!slices.Contains(p.environ(), "LAB_DIR="+l.state.Dir)
	}), nil
}

// registered asks the lab's epmd for the names it knows and their ports. The
// protocol stands in the Erlang documentation under "Distribution Protocol",
// NAMES_REQ.
func (l *Lab) registered(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(l.state.Address, strconv.Itoa(l.state.EPMDPort)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{0, 1, 'n'}); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		return nil, err
	}
	if len(answer) < 4 || int(binary.BigEndian.Uint32(answer)) != l.state.EPMDPort {
		return nil, fmt.Errorf("port %d is not an epmd", l.state.EPMDPort)
	}
	names := map[string]int{}
	for line := range strings.Lines(string(answer[4:])) {
		var name string
		var port int
		if _, err := fmt.Sscanf(line, "name %s at port %d", &name, &port); err == nil {
			names[name] = port
		}
	}
	return names, nil
}
