package host

import (
	"context"
	"errors"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Hosts are all machines where nodes live: this one and those reached by SSH.
// Each question goes to the host of its node.
type Hosts struct {
	local   *Local
	remotes map[string]*Remote
}

var (
	_ cluster.Host      = (*Hosts)(nil)
	_ cluster.Machine   = (*Hosts)(nil)
	_ cluster.OlderLogs = (*Hosts)(nil)
)

// NewHosts joins the local host and those under hosts in the config, by name. The
// remote ones ask epmd as local does, and mask the same secrets. Nothing is
// connected yet.
func NewHosts(local *Local, remotes map[string]RemoteConfig) (*Hosts, error) {
	h := &Hosts{local: local, remotes: map[string]*Remote{}}
	for name, cfg := range remotes {
		r, err := NewRemote(name, cfg, local.names, local.secrets...)
		if err != nil {
			return nil, err
		}
		h.remotes[name] = r
	}
	return h, nil
}

// Close ends all connections.
func (h *Hosts) Close() error {
	var failed []error
	for _, r := range h.remotes {
		failed = append(failed, r.Close())
	}
	return errors.Join(failed...)
}

type machine interface {
	cluster.Host
	cluster.Machine
	cluster.Folders
	cluster.OlderLogs
}

// of gives the host of that name. What Local says of a host that the config does
// not have is right: it cannot be reached.
func (h *Hosts) of(name string) machine {
	if r, ok := h.remotes[name]; ok {
		return r
	}
	return h.local
}

// EPMDNames implements cluster.Host.
func (h *Hosts) EPMDNames(ctx context.Context, n cluster.Node) (map[string]int, error) {
	return h.of(n.Host).EPMDNames(ctx, n)
}

// Process implements cluster.Host.
func (h *Hosts) Process(ctx context.Context, n cluster.Node) (cluster.Process, bool, error) {
	return h.of(n.Host).Process(ctx, n)
}

// Signal implements cluster.Host. A process of a host that there is no more is
// never taken for one of this machine.
func (h *Hosts) Signal(ctx context.Context, p cluster.Process, sig cluster.Signal) error {
	m, err := h.running(p)
	if err != nil {
		return err
	}
	return m.Signal(ctx, p, sig)
}

// WaitExit implements cluster.Host.
func (h *Hosts) WaitExit(ctx context.Context, p cluster.Process) error {
	m, err := h.running(p)
	if err != nil {
		return err
	}
	return m.WaitExit(ctx, p)
}

func (h *Hosts) running(p cluster.Process) (machine, error) {
	if p.Host == "" {
		return h.local, nil
	}
	if r, ok := h.remotes[p.Host]; ok {
		return r, nil
	}
	return nil, actions.Errorf(actions.CodeNotHere, "Process %d runs on host %s, which is not under hosts in the config.", p.PID, quote(p.Host))
}

// PortOpen implements cluster.Host.
func (h *Hosts) PortOpen(ctx context.Context, n cluster.Node) (bool, error) {
	return h.of(n.Host).PortOpen(ctx, n)
}

// MakeDryRun implements cluster.Host.
func (h *Hosts) MakeDryRun(ctx context.Context, n cluster.Node) ([]string, error) {
	return h.of(n.Host).MakeDryRun(ctx, n)
}

// Make implements cluster.Host.
func (h *Hosts) Make(ctx context.Context, n cluster.Node) error { return h.of(n.Host).Make(ctx, n) }

// LogTail implements cluster.Host.
func (h *Hosts) LogTail(ctx context.Context, n cluster.Node, max int) ([]string, error) {
	return h.of(n.Host).LogTail(ctx, n, max)
}

// OlderLogs implements cluster.OlderLogs.
func (h *Hosts) OlderLogs(ctx context.Context, n cluster.Node) ([]string, error) {
	return h.of(n.Host).OlderLogs(ctx, n)
}

// ArchiveLog implements cluster.Host.
func (h *Hosts) ArchiveLog(ctx context.Context, n cluster.Node, now time.Time) (string, error) {
	return h.of(n.Host).ArchiveLog(ctx, n, now)
}

// CoreData implements cluster.Host.
func (h *Hosts) CoreData(ctx context.Context, n cluster.Node) (cluster.CoreData, error) {
	return h.of(n.Host).CoreData(ctx, n)
}

// Facts implements cluster.Machine.
func (h *Hosts) Facts(ctx context.Context, n cluster.Node) (cluster.HostFacts, error) {
	return h.of(n.Host).Facts(ctx, n)
}
