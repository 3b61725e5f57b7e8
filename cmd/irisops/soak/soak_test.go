// Package soak runs irisops as people meet it for as long as is wanted, and
// breaks whatever can be broken around it: the program as it is built, beside a
// lab of two cores and two edges with clients who send messages and count, in a
// Slack and with a mail server of the test's own, its data on a small disk that
// can be full.
//
// It goes in rounds. In the calm clients send messages that must not be lost. In
// the storm nodes are killed, stopped or parted, irisops is killed -9, Slack, the
// mail server and the disk fail, while several people type whatever comes to their
// minds. Then the faults end, people mend the cluster by nothing but what irisops
// offers, and when all is at rest the records and the counters outside of irisops
// are held against each other:
//
//   - every page that was due has arrived, and a second one says that it may be one;
//   - what people were told is taken was done, once: an acknowledged declaration is
//     one incident, an acknowledged note one line; what was not acknowledged is there
//     once at most; no node was started oftener than the record has steps for it;
//   - every message that clients sent in the calm, or to either side of a parted
//     cluster, is received; see clients_test.go for what IRIS itself may lose;
//   - the chain of the audit is whole, incidents went through legal states only, the
//     auditor of the store is content, nothing waits that should not;
//   - goroutines, descriptors and memory of irisops are as they were at its first rest.
//
// SOAK says how long (10m); without it there are two rounds. SEED has the choices
// of an earlier run made once more.
package soak

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions/erlang"
	"irisops/actions/lab"
	"irisops/bot/slack/slacktest"
)

// inside is in the environment of the process that has its own mounts.
const inside = "IRISOPS_SOAK_INSIDE"

// TestMain goes into a mount namespace first, where a small disk can be had.
func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		unshare, err := exec.LookPath("unshare")
		if err == nil {
			exe, _ := os.Executable()
			err = syscall.Exec(unshare, append([]string{"unshare", "-rm", exe}, os.Args[1:]...), append(os.Environ(), inside+"=1"))
		}
		fmt.Fprintln(os.Stderr, "no mounts of one's own:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// soak is one run.
type soak struct {
	t      *testing.T
	dir    string
	rand   *rand.Rand
	lab    *lab.Lab
	link   *erlang.Link
	slack  *slacktest.Slack
	mail   *mailbox
	bot    *bot
	config string
	socket string
	binary string
	env    []string
	disk   *disk
	parted bool      // the network is
	asleep time.Time // until then irisops is not started again
	first  *footprint

	people  people
	clients clients
	counts  map[string]int
}

func TestSoak(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) % 1_000_000
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = n
	}
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		length = 0
	}
	t.Logf("SEED=%d", seed)
	s := &soak{t: t, rand: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	s.arrange(length)
	defer s.tell()
	began := time.Now()
	for round := 1; round <= 2 || time.Since(began) < length; round++ {
		from := time.Now()
		s.calm()
		faults := s.storm(round)
		s.mend()
		s.rest()
		s.judge()
		s.counts["rounds"]++
		t.Logf("round %d, %s: %s; %d commands, %d pages so far", round, time.Since(from).Round(time.Second), strings.Join(faults, ", "), s.counts["commands"], len(s.mail.all()))
		if t.Failed() {
			return
		}
	}
	s.end()
	// What has not happened has shown nothing.
	for _, what := range []string{"pages that arrived", "messages that had to arrive and did", "declarations and notes acknowledged", "entries of the audit",
		"nodes started by irisops", "irisops killed", "times the disk was full", "times mail was refused", "times the network was parted", "faults of Slack",
		"rests at which irisops was as at its first"} {
		if s.counts[what] == 0 {
			t.Errorf("there were no %s", what)
		}
	}
}

// tell prints what was counted.
func (s *soak) tell() {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprintf(&b, "%8d  %s\n", s.counts[what], what)
	}
	s.t.Logf("counted:\n%s", b.String())
}

// until waits for something that has to come about by itself.
func (s *soak) until(what string, within time.Duration, done func() bool) {
	s.t.Helper()
	if !s.comes(within, done) {
		s.t.Fatalf("not within %s: %s", within, what)
	}
}

// comes says whether it came about in time. Meanwhile a bot that ended by itself
// is started again, as systemd would.
func (s *soak) comes(within time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		s.revive()
		if done() {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// pass lets time pass in which others do something.
func (s *soak) pass(d time.Duration, at func(gone time.Duration)) {
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < d {
		s.revive()
		at(time.Since(began))
		<-tick.C
	}
}

// calm: nothing is broken, nobody acts; what clients send now must arrive.
func (s *soak) calm() {
	s.t.Helper()
	s.clients.owe(s, "edge1", 15)
	s.clients.owe(s, "edge2", 15)
	s.declare(operator, "C0OPS", "P0")
	s.pass(settle, func(time.Duration) { s.talk(4, sees, tells) })
}
