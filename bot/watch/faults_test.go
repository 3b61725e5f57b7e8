package watch_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"irisops/actions/cluster"
	"irisops/actions/lab"
	"irisops/bot/incident"
)

// faults are those of the diagnosis matrix, one after the other: each becomes
// exactly one incident, of the right priority and cause, and recovers by itself
// once it is mended; and as long as all is well there is none.
type faults struct {
	*post
	table strings.Builder
	w     *tabwriter.Writer
	known int // incidents
	more  int // rounds in which whatever else there might be would show
}

func newFaults(p *post) *faults {
	f := &faults{post: p, more: 6}
	f.w = tabwriter.NewWriter(&f.table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(f.w, "fault\tbecame\tafter")
	return f
}

func (f *faults) becomes(name, want string, mend func()) {
	f.Helper()
	begun := time.Now()
	f.eventually(name+" becomes an incident", func() bool { return len(f.incidents()) > f.known })
	took := time.Since(begun)
	f.rounds(f.more)
	all := f.incidents()
	got := fmt.Sprintf("%s %s", all[0].Priority, strings.TrimPrefix(all[0].Cause, "watch: "))
	fmt.Fprintf(f.w, "%s\t%s\t%s\n", name, got, took.Round(time.Millisecond))
	if len(all) != f.known+1 || !strings.HasPrefix(got, want) {
		f.Errorf("%s: %d incidents, %s, want %s\n%+v", name, len(all)-f.known, got, want, f.bot.Watched())
		for _, inc := range all[:len(all)-f.known] {
			f.Logf("%s %s %s: %s", inc.ID(), inc.Priority, inc.Title, inc.Cause)
		}
	}
	mend()
	f.eventually(name+" recovers", func() bool {
		inc, err := f.db.Incident(all[0].Number)
		return err == nil && inc.State == incident.Recovered && inc.RecoveredBy == incident.Bot
	})
	f.say(fmt.Sprintf("resolve --incident %s", all[0].ID()))
	f.known = len(f.incidents())
}

func (f *faults) well(rounds int) {
	f.Helper()
	f.rounds(rounds)
	if n := len(f.incidents()); n != f.known {
		f.Errorf("all is well, and there are %d incidents: %+v", n-f.known, f.incidents()[0])
	}
}

func (f *faults) kill(nodes ...string) {
	f.Helper()
	for _, n := range nodes {
		f.must(f.lab.Kill(f.Context(), n))
	}
}

// start starts what does not run.
func (f *faults) start() {
	f.Helper()
	_, err := lab.Up(f.Context(), lab.Options{Dir: f.lab.Dir()}, nil)
	f.must(err)
}

func (f *faults) part(one, other []string) {
	f.Helper()
	_, err := f.lab.Partition(f.Context(), one, other)
	f.must(err)
}

func (f *faults) heal() {
	f.Helper()
	_, err := f.lab.Heal(f.Context())
	f.must(err)
}

func (f *faults) print() {
	f.w.Flush()
	fmt.Fprintf(os.Stdout, "watch on the lab, a round every %s\n%s", every, &f.table)
}

func TestFaultsBecomeIncidents(t *testing.T) {
	t.Parallel()
	f := newFaults(newPost(t, lab.Options{}))
	leave := f.stand(f.link)
	f.well(40) // 20 minutes at the usual pace

	f.kill("edge1")
	f.becomes("edge killed", "P1 node/edge1: ", f.start)

	f.kill("edge1")
	nodes, err := f.spec.Select("edge1")
	f.must(err)
	squatter := squat(t, nodes[0].Addr())
	go func() { // it is no edge, and says so
		for conn, err := squatter.Accept(); err == nil; conn, err = squatter.Accept() {
			conn.Close()
		}
	}()
	f.becomes("edge killed, port taken", "P1 node/edge1: ", func() { f.must(squatter.Close()); f.start() })

	f.part([]string{"core", "edge2"}, []string{"edge1"})
	f.becomes("partition, one core", "P1 mesh: edge1 ", f.heal)

	f.must(f.lab.Pause(t.Context(), "core"))
	f.more = 2 // each takes until the probes give up
	// With a core that hangs, IRIS lets nobody in on any edge: this is an outage.
	f.becomes("core paused", "P0 outage: no edge lets a client in; core hung: ", func() { f.must(f.lab.Resume(t.Context(), "core")) })

	f.more = 6
	f.kill("core")
	f.becomes("core killed", "P1 node/core: ", f.start)

	f.eval("edge1", `register(deaf, spawn(fun() -> receive {stop, me} -> ok end end)), [deaf ! flood || _ <- lists:seq(1, 20000)], {ok, done}.`)
	f.becomes("mailbox flood", "P2 check/mailboxes: ", func() { f.eval("edge1", `exit(whereis(deaf), kill), {ok, done}.`) })

	f.eval("edge2", `register(hog, spawn(fun() -> B = binary:copy(<<7>>, 200000000), receive stop -> byte_size(B) end end)), {ok, done}.`)
	f.becomes("binary memory growth", "P2 check/memory: ", func() { f.eval("edge2", `exit(whereis(hog), kill), {ok, done}.`) })

	f.eval("core", `ets:insert(offline_msg, [{offline_msg, {<<"bob">>, I rem 1000}, 1700000000000 + I, <<"m">>} || I <- lists:seq(1, 200000)]), {ok, done}.`)
	f.becomes("200,000 messages for one user", "P2 offline messages: ", func() { f.eval("core", `mnesia:clear_table(offline_msg), {ok, done}.`) })

	f.kill("core", "edge1", "edge2")
	f.becomes("all killed", "P0 outage: ", f.start)
	f.well(20)
	leave()

	leave = f.stand(f.connect("another_cookie"))
	f.becomes("wrong cookie", "P2 blind: ", func() { leave(); leave = f.stand(f.link) })
	leave()

	// Of the real disk more is asked than there is; that it is read right shows the matrix.
	leave = f.standWith(f.link, cluster.Bound{Warn: 1 << 60, Critical: 1})
	f.becomes("disk nearly full", "P3 check/host disk-full: ", func() { leave(); leave = f.stand(f.link) })
	leave()
	leave = f.standWith(f.link, cluster.Bound{Warn: 1 << 61, Critical: 1 << 60})
	f.becomes("disk full", "P2 check/host disk-full: ", func() { leave(); leave = f.stand(f.link) })
	leave()

	status, err := f.lab.Status(t.Context())
	f.must(err)
	f.must(syscall.Kill(status.EPMD, syscall.SIGTERM))
	f.eventually("epmd ends", func() bool { return syscall.Kill(status.EPMD, 0) != nil })
	leave = f.stand(f.connect(lab.Cookie))
	f.becomes("epmd gone", "P2 blind: ", func() {
		f.kill("core", "edge1", "edge2") // they register with an epmd only when they start
		f.start()
	})
	leave()
	f.print()
}

func TestFaultsOfTwoCoresBecomeIncidents(t *testing.T) {
	t.Parallel()
	f := newFaults(newPost(t, lab.Options{Cores: 2}))
	defer f.stand(f.link)()
	f.well(4)

	f.part([]string{"core1", "core2", "edge2"}, []string{"edge1"})
	f.becomes("partition, an edge alone", "P1 mesh: edge1 ", f.heal)

	f.kill("core2")
	f.becomes("one of two cores killed", "P1 node/core2: ", f.start)

	f.part([]string{"core1", "edge1"}, []string{"core2", "edge2"})
	f.becomes("partition, healed with Mnesia split", "P1 partition: ", func() {
		f.heal()
		f.rounds(f.more)
		if n := len(f.incidents()); n != f.known+1 {
			f.Errorf("the split after healing is another incident: %d", n-f.known)
		}
		f.kill("core2")
		f.start()
	})
	f.print()
}

// squat takes the port of a node that was just killed, as soon as it is free.
func squat(t *testing.T, addr string) net.Listener {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
