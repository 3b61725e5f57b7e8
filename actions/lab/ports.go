package lab

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
)

// Free ports are looked for below those that systems hand out to outgoing
// connections (32768 and up on Linux), in blocks: five edges, then epmd.
const (
	firstPort = 20000
	lastPort  = 32000
	portBlock = 8
)

// reservation holds ports until the lab's own processes are about to take them.
type reservation []net.Listener

func (r reservation) release() {
	for _, l := range r {
		l.Close()
	}
}

func reserve(ports ...int) (reservation, error) {
	var r reservation
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			r.release()
			return nil, actions.Errorf(CodePortInUse, "Port %d is not free: %w", port, err)
		}
		r = append(r, l)
	}
	return r, nil
}

func free(port int) error {
	r, err := reserve(port)
	r.release()
	return err
}

func sequence(first, count int) []int {
	ports := make([]int, count)
	for i := range ports {
		ports[i] = first + i
	}
	return ports
}

// choosePorts fills in the ports that are not given, and holds those that the
// lab will take. When it chooses the first itself, the ports of edges that are
// not asked for yet are free as well.
func (s *state) choosePorts() (reservation, error) {
	var held reservation
	given := s.Port != 0
	if given {
		r, err := reserve(sequence(s.Port, s.Edges)...)
		if err != nil {
			return nil, err
		}
		held = r
	}
	givenEPMD := s.EPMDPort != 0
	if givenEPMD {
		r, err := reserve(s.EPMDPort)
		if err != nil {
			held.release()
			return nil, err
		}
		held = append(held, r...)
	}
	for range 200 {
		block := firstPort + portBlock*rand.IntN((lastPort-firstPort)/portBlock)
		var wanted []int
		if !given {
			s.Port = block
			wanted = sequence(block, MaxEdges)
		}
		if !givenEPMD {
			s.EPMDPort = block + MaxEdges
			wanted = append(wanted, s.EPMDPort)
		}
		if r, err := reserve(wanted...); err == nil {
			return append(held, r...), nil
		}
	}
	held.release()
	return nil, actions.Errorf(CodePortInUse, "No free ports were found between %d and %d.", firstPort, lastPort)
}

// hostPart is what node names have after the @, and its address. Erlang's
// -sname takes the machine's short name; the lab does so only where that name
// resolves to the loopback, and else says localhost, so that nobody beyond this
// machine can reach nodes whose cookie everybody knows.
func hostPart(ctx context.Context) (host, address string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	name, err := os.Hostname()
	if err == nil {
		name, _, _ = strings.Cut(name, ".")
		addresses, err := net.DefaultResolver.LookupIP(ctx, "ip4", name)
		if err == nil && len(addresses) > 0 && addresses[0].IsLoopback() {
			return name, addresses[0].String()
		}
	}
	return "localhost", "127.0.0.1"
}
