package soak

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// footprint is what irisops takes while nothing is under way.
type footprint struct {
	goroutines, descriptors int
	memory                  int // MB, without what is mapped from files
}

// How much more than at the first rest is none: the clock of a
// link that is about to close, a connection that Slack keeps for the next call,
// what the garbage collector has not given back yet.
const (
	moreGoroutines  = 20
	moreDescriptors = 12
	moreMemory      = 24 // MB; times raceCost with the race detector
)

// footprint compares what irisops takes with its first rest.
func (s *soak) footprint() {
	s.t.Helper()
	var now footprint
	if s.first == nil {
		s.until("the figures of irisops", 20*time.Second, func() bool { return s.measure(&now) == nil })
		s.first = &now
		return
	}
	first := *s.first
	if !s.comes(40*time.Second, func() bool {
		return s.measure(&now) == nil && now.goroutines <= first.goroutines+moreGoroutines && now.descriptors <= first.descriptors+moreDescriptors && now.memory <= first.memory+moreMemory*raceCost
	}) {
		s.t.Errorf("irisops takes more and more: at first %+v, now %+v", first, now)
	}
	s.counts["rests at which irisops was as at its first"]++
	s.counts["most goroutines at rest"] = max(s.counts["most goroutines at rest"], now.goroutines)
	s.counts["most descriptors at rest"] = max(s.counts["most descriptors at rest"], now.descriptors)
	s.counts["most memory at rest, MB"] = max(s.counts["most memory at rest, MB"], now.memory)
}

func (s *soak) measure(f *footprint) error {
	figures, err := s.metrics()
	if err != nil {
		return err
	}
	if f.goroutines, err = strconv.Atoi(figures["go_goroutines"]); err != nil {
		return err
	}
	proc := fmt.Sprintf("/proc/%d/", s.bot.cmd.Process.Pid)
	open, err := os.ReadDir(proc + "fd")
	if err != nil {
		return err
	}
	f.descriptors = len(open)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return err
	}
	f.memory = (kilobytes(string(status), "VmRSS:") - kilobytes(string(status), "RssFile:")) / 1024
	return nil
}

func kilobytes(status, name string) int {
	_, rest, _ := strings.Cut(status, name)
	n, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return n
}
