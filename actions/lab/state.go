package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"irisops/actions"
)

// state is lab.json: what a lab was brought up with. What runs is not in it,
// but looked up among the processes.
type state struct {
	Version  int    `json:"version"`
	Dir      string `json:"dir"`
	Suffix   string `json:"suffix"`
	Host     string `json:"host"`    // the part of node names after @
	Address  string `json:"address"` // what Host resolves to: a loopback address
	Port     int    `json:"port"`
	EPMDPort int    `json:"epmd_port"`
	Cores    int    `json:"cores"`
	Edges    int    `json:"edges"`
}

const (
	stateFile    = "lab.json"
	lockFile     = "lab.lock"
	stateVersion = 1
)

// lock keeps two programs from bringing the same lab up or down at once. It
// ends with the program, however that ends.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the lab: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, actions.Errorf(CodeBusy, "Another program is bringing the lab in %s up or down: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

func loadState(dir string) (state, error) {
	var s state
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, &actions.Error{Code: CodeNotALab, Err: err,
			Text: fmt.Sprintf("%s holds no lab: there is no %s in it.", dir, stateFile),
			Hint: "Bring one up with: irisops lab up --dir " + dir}
	}
	if err != nil {
		return s, fmt.Errorf("reading the lab's state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, actions.Errorf(CodeNotALab, "%s cannot be read: %w", filepath.Join(dir, stateFile), err)
	}
	if s.Version != stateVersion {
		return s, actions.Errorf(CodeNotALab, "%s was written by another version of irisops (format %d, this one knows %d).",
			filepath.Join(dir, stateFile), s.Version, stateVersion)
	}
	if s.Dir != dir {
		return s, actions.Errorf(CodeNotALab, "The lab in %s was brought up in %s: a lab's folder must not be moved or copied.", dir, s.Dir)
	}
	return s, nil
}

func (s state) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.Dir, stateFile), append(text, '\n'), 0o600)
}

// nodes are the first count nodes of a role. IRIS calls its first core just core,
// in the node's name, its target and its log. People say so too where there is
// one; of several it is core1, because core is the role of all of them.
func (s state) nodes(role Role, count int) []Node {
	var nodes []Node
	for i := 1; i <= count; i++ {
		short := string(role) + strconv.Itoa(i)
		of := short
		if role == Core && i == 1 {
			of = string(role)
			if s.Cores == 1 {
				short = of
			}
		}
		n := Node{
			Short:  short,
			Name:   "iris_" + of + s.Suffix + "@" + s.Host,
			Role:   role,
			Target: "start_" + of,
			Log:    filepath.Join(s.Dir, of+".log"),
		}
		if role == Edge {
			n.Port = s.Port + i - 1
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// coreOf is the core that an edge goes to first: edge1 to the first, edge2 to the
// second, and round again.
func (s state) coreOf(edge Node) Node {
	cores := s.nodes(Core, s.Cores)
	return cores[(edge.Port-s.Port)%len(cores)]
}

// possible are all nodes that the Makefile has a target for.
func (s state) possible() []Node {
	return append(s.nodes(Core, MaxCores), s.nodes(Edge, MaxEdges)...)
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
