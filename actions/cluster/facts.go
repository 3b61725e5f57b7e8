package cluster

import (
	"context"
	"net/netip"
	"time"
)

// Machine says how the machine of a node is doing, whatever the node does.
type Machine interface {
	// Facts gives what could be found out about the machine where the node lives,
	// and about the node's process there. It is an error only if the machine
	// cannot be asked at all.
	Facts(ctx context.Context, n Node) (HostFacts, error)
}

// HostFacts describe a machine at one moment. What could not be found out is nil,
// never 0, and Unknown says why.
type HostFacts struct {
	Uptime    *time.Duration // since the machine started
	CPUs      *int           // online
	Load      *Load
	Memory    *Memory
	Swap      *Memory // Total 0: the machine has none
	Disk      *Disk   // the file system of the node's folder
	Processes *Quota  // processes of everybody; Max is the kernel's pid_max
	Files     *Quota  // open files of the whole machine
	NodeFiles *Quota  // open descriptors of the node's process; Max is its soft limit
	VMs       *VMs
	Ports     *Ports
	EPMD      *EPMD

	// Unknown are the reasons for what is nil, in the order of the fields.
	Unknown []UnknownFact
}

// UnknownFact says why a field of HostFacts is nil.
type UnknownFact struct {
	Fact string // "disk", "open ports"
	Why  error  // a sentence
}

// Load is the mean number of processes that ran or wanted to, or waited for a
// disk, over the last 1, 5 and 15 minutes. Compare it with CPUs.
type Load struct{ One, Five, Fifteen float64 }

// Memory is in bytes. Available is what programs can still get without swapping,
// as the kernel estimates it; for swap, what is free.
type Memory struct{ Total, Available uint64 }

// Used is in bytes.
func (m Memory) Used() uint64 { return m.Total - min(m.Available, m.Total) }

// Disk is a file system.
type Disk struct {
	Total, Free uint64 // bytes; Free is what is left to ordinary users
	// Inodes bound the number of files. A file system without a bound has 0 of 0.
	Inodes, FreeInodes uint64
}

// Quota is how much of a bounded thing is in use.
type Quota struct{ Used, Max uint64 }

// VMs are the Erlang VMs on the machine, of whatever cluster and user, as far as
// irisops may see them.
type VMs struct{ Running []VM }

// VM is one of them.
type VM struct {
	PID   int
	Name  string // its -sname or -name argument as it stands; "" for a VM without
	State string // as in Process
	RSS   uint64 // bytes
}

// Ports are the TCP ports on which programs of the machine listen.
type Ports struct {
	Listening []Listener

	// NoOwners says why no Listener has a PID; nil if they were looked up.
	NoOwners error
}

// Listener is one listening socket.
type Listener struct {
	Addr    netip.Addr // unspecified (0.0.0.0, ::) for all addresses
	Port    int
	PID     int    // 0 if it may not be known: another user's program
	Program string // the owner's program, "beam.smp"; "" with PID 0
}

// On gives the listeners of a port.
func (p Ports) On(port int) []Listener {
	var on []Listener
	for _, l := range p.Listening {
		if l.Port == port {
			on = append(on, l)
		}
	}
	return on
}

// EPMD is what the port mapper of the node's cluster on that machine answers: the
// nodes registered there and their distribution ports.
type EPMD struct{ Names map[string]int }
