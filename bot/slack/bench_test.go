package slack_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
)

// The conversation is measured as people see it: at 50 commands a second, how
// long until each is acknowledged, and until the first message stands there;
// beside a bare bot made of the same library, which keeps nothing and answers
// everything, in the same run. Each bot is a process of its own. Words that are
// answered at once are kept with their answer; what is looked up first is kept
// twice before anybody reads it, and waits for the disk so much longer.

const (
	benchBot      = "IRISOPS_SLACK_BENCH_BOT" // "irisops" or "bare"
	benchAPI      = "IRISOPS_SLACK_BENCH_API"
	benchDir      = "IRISOPS_SLACK_BENCH_DIR"
	benchChannels = 100
	benchCommands = 500
	benchWarmUp   = 50
	benchRounds   = 3
)

func benchPlaces() (ids []string, places []slack.Place) {
	for i := range benchChannels {
		ids = append(ids, fmt.Sprintf("C0BENCH%d", i))
		places = append(places, slack.Place{Channel: ids[i], Cluster: "main"})
	}
	return ids, places
}

// benchChild is one bot; it ends with its stdin.
func benchChild(which string) error {
	signal.Ignore(syscall.SIGINT)
	if which == "bare" {
		return bareBot(os.Getenv(benchAPI))
	}
	_, places := benchPlaces()
	l, err := begin(setting{dir: os.Getenv(benchDir), api: os.Getenv(benchAPI), clusters: newWorld().served(), places: places})
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return l.end()
}

// bareBot acknowledges and answers, and that is all.
func bareBot(api string) error {
	silent := log.New(io.Discard, "", 0)
	client := slackgo.New(slacktest.BotToken, slackgo.OptionAppLevelToken(slacktest.AppToken), slackgo.OptionAPIURL(api), slackgo.OptionLog(silent))
	socket := socketmode.New(client, socketmode.OptionLog(silent))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends when that does
		cancel()
	}()
	go func() {
		for e := range socket.Events {
			command, ok := e.Data.(slackgo.SlashCommand)
			if !ok {
				if e.Request != nil && e.Request.EnvelopeID != "" {
					_ = socket.Ack(*e.Request)
				}
				continue
			}
			if err := socket.Ack(*e.Request); err != nil {
				fmt.Fprintln(os.Stderr, "bare:", err)
			}
			go func() {
				_, _, err := client.PostMessage(command.ChannelID, slackgo.MsgOptionText(command.TriggerID, false),
					slackgo.MsgOptionBlocks(slackgo.NewSectionBlock(slackgo.NewTextBlockObject("mrkdwn", command.TriggerID, false, false), nil, nil)))
				if err != nil {
					fmt.Fprintln(os.Stderr, "bare:", err)
				}
			}()
		}
	}()
	if err := socket.RunContext(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// measured is what one round came to.
type measured struct {
	acks, posts []float64 // ms
	cpu         float64   // ms a command
}

func BenchmarkConversation(b *testing.B) {
	rounds := map[string][]measured{}
	for range benchRounds {
		rounds["bare"] = append(rounds["bare"], benchRound(b, "bare", "whoami"))
		rounds["irisops"] = append(rounds["irisops"], benchRound(b, "irisops", "whoami"))
		rounds["looking"] = append(rounds["looking"], benchRound(b, "irisops", "status"))
	}
	middle := func(which string, of func(measured) float64) float64 {
		var all []float64
		for _, m := range rounds[which] {
			all = append(all, of(m))
		}
		return quantile(all, 0.5)
	}
	p50 := func(m measured) float64 { return quantile(m.posts, 0.5) }
	cpu := func(m measured) float64 { return m.cpu }
	ack := middle("irisops", func(m measured) float64 { return quantile(m.acks, 0.99) })
	bare, ours, looking := middle("bare", p50), middle("irisops", p50), middle("looking", p50)
	b.ReportMetric(ack, "ms-ack-p99")
	b.ReportMetric(bare, "ms-bare")
	b.ReportMetric(ours-bare, "ms-beyond-bare")
	b.ReportMetric(looking-bare, "ms-beyond-bare-looking") // for what is looked up first
	b.ReportMetric(middle("bare", cpu), "cpu-ms/bare-command")
	b.ReportMetric(middle("irisops", cpu), "cpu-ms/command")
	b.ReportMetric(middle("looking", cpu), "cpu-ms/looking-command")
	b.ReportMetric(0, "ns/op") // of all rounds: nobody wants to know
}

func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

func benchRound(b *testing.B, which, words string) measured {
	b.Helper()
	ids, _ := benchPlaces()
	s := slacktest.New(b, append([]string{ops}, ids...)...)
	s.Patience(time.Minute)
	s.Generous()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchBot+"="+which, benchAPI+"="+s.API(), benchDir+"="+b.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}()
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	var said []*slacktest.Delivery
	var before float64
	for i := range benchWarmUp + benchCommands {
		<-tick.C
		if i == benchWarmUp {
			before = processorTime(b, cmd.Process.Pid)
		}
		d := s.SayAndGoOn(operator, ids[i%len(ids)], "/iris "+words)
		if i >= benchWarmUp {
			said = append(said, d)
		}
	}
	var at map[string]time.Time
	s.Await("all answers", func() bool {
		at = answered(s, ids)
		for _, d := range said {
			if at[d.Trigger()].IsZero() || d.Took() == 0 {
				return false
			}
		}
		return true
	})
	m := measured{cpu: (processorTime(b, cmd.Process.Pid) - before) / benchCommands}
	for _, d := range said {
		m.acks = append(m.acks, float64(d.Took().Microseconds())/1000)
		m.posts = append(m.posts, float64(at[d.Trigger()].Sub(d.Sent()).Microseconds())/1000)
	}
	return m
}

// answered is when the answer to each trigger was posted.
func answered(s *slacktest.Slack, ids []string) map[string]time.Time {
	at := map[string]time.Time{}
	for _, id := range ids {
		for _, m := range s.Messages(id) {
			trigger := m.Text()
			if key := m.Key(); key != "" {
				trigger = key[strings.LastIndex(key, "/")+1:]
			}
			at[trigger] = m.Arrived()
		}
	}
	return at
}

// processorTime is what a process has used, in ms (proc_pid_stat(5), fields 14
// and 15, in hundredths of a second).
func processorTime(b *testing.B, pid int) float64 {
	b.Helper()
	body, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(body[strings.LastIndex(string(body), ")")+1:]))
	var ticks float64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks * 10
}
