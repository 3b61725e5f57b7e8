package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/console"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/cmd/irisops/config"
)

type demoCommand struct {
	Tour bool   `help:"Play a whole incident without a keyboard, and exit."`
	Dir  string `help:"Keep the lab here. Default: a temporary folder, removed at the end." type:"path"`
}

// stopWithin bounds how long anything may take to end.
const stopWithin = 30 * time.Second // a step under way may take 15 to end

// Run is what starts when nothing is given. Without a terminal it plays the tour.
func (c demoCommand) Run(ctx context.Context, s streams) error {
	if err := tokensAlone(); err != nil {
		return err
	}
	if !term.IsTerminal(int(s.in.Fd())) {
		c.Tour = true
	}
	return c.inLab(ctx, s.out, func(ctx context.Context, l *lab.Lab) error {
		if c.Tour {
			return tour(ctx, l, s.out)
		}
		return prompt(ctx, l, s)
	})
}

// tokensAlone refuses Slack tokens without a config: they say where to talk, but
// not about what.
func tokensAlone() error {
	for _, name := range []string{"SLACK_APP_TOKEN", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"} {
		if os.Getenv(name) != "" {
			return &actions.Error{Code: "usage", Text: name + " is set, but no config says which cluster and which people irisops is to stand beside.",
				Hint: "Give one: irisops run --config FILE. An example to start from is docs/irisops.example.yaml, the shortest is:\n\n" + config.Shortest + "\nWithout the token, `irisops demo` needs nothing at all."}
		}
	}
	return nil
}

// inLab runs f with a lab that is up. A lab that it brought up it takes down again;
// one that was up already belongs to somebody else, and stays up.
func (c demoCommand) inLab(ctx context.Context, out io.Writer, f func(context.Context, *lab.Lab) error) (err error) {
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "irisops-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	// A reader who leaves and a terminal that closes must not leave a cluster behind.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE, syscall.SIGHUP)
	defer stop()
	others, err := up(ctx, dir)
	if err != nil {
		return err
	}
	began := time.Now()
	if others {
		fmt.Fprintf(out, "A cluster of real Erlang nodes is up in %s already. What does not run of it is started; it stays up at the end.\n", dir)
	} else {
		fmt.Fprintln(out, "Starting a cluster of real Erlang nodes.")
	}
	l, err := lab.Up(ctx, lab.Options{Dir: dir}, func(string) {})
	if err != nil {
		return err
	}
	defer func() {
		if others {
			say(out, "The cluster was up before, and stays up: irisops lab down --dir %s\n", shellWord(l.Dir()))
			return
		}
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		fmt.Fprintln(out, "Taking the cluster down.")
		if downErr := l.Down(stop); downErr != nil && err == nil {
			err = downErr
		}
	}()
	if !others {
		say(out, "It is up after %.1f s, in %s.\nShould this program be killed: irisops lab down --dir %s\n", time.Since(began).Seconds(), l.Dir(), shellWord(l.Dir()))
	}
	return f(ctx, l)
}

// up says whether a lab stands in the folder of which anything runs.
func up(ctx context.Context, dir string) (bool, error) {
	l, err := lab.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return false, err
	}
	return status.EPMD != 0 || slices.ContainsFunc(status.Nodes, func(n lab.NodeStatus) bool { return n.State != lab.Stopped }), nil
}

// stage is the bot beside the lab, with the terminal as its room.
type stage struct {
	app      *app
	terminal *console.Terminal
	cfg      config.Config
}

func newStage(ctx context.Context, l *lab.Lab, terminal *console.Terminal, policies map[incident.Priority]escalation.Policy, rooms ...bot.Room) (*stage, error) {
	cfg, err := config.Load(l.ConfigFile())
	if err != nil {
		return nil, err
	}
	a, err := newApp(cfg, overrides{demo: true, rooms: append([]bot.Room{terminal}, rooms...), policies: policies}, quiet(l))
	if err != nil {
		return nil, err
	}
	terminal.Bot = a.bot
	if err := a.Start(ctx); err != nil {
		a.Stop(ctx)
		return nil, err
	}
	return &stage{app: a, terminal: terminal, cfg: cfg}, nil
}

// quiet keeps the log out of the conversation.
func quiet(l *lab.Lab) *slog.Logger {
	f, err := os.OpenFile(filepath.Join(l.Dir(), "irisops.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(f, nil))
}

func (s *stage) stop(ctx context.Context) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return s.app.Stop(stop)
}

func demoPeople() []string {
	var ids []string
	for _, p := range access.DemoPeople() {
		ids = append(ids, p.ID)
	}
	return ids
}

// prompt leaves a person with a running cluster and the conversation.
func prompt(ctx context.Context, l *lab.Lab, s streams) (err error) {
	style := styleOf(s.out)
	style.Keep = program + " ctl --config " + shellWord(l.ConfigFile()) + " --save FOLDER"
	terminal := console.NewTerminal(s.out, true, style, time.Local, demoPeople())
	st, err := newStage(ctx, l, terminal, nil)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := st.stop(ctx); err == nil {
			err = stopErr
		}
	}()
	say(s.out, `
You are "operator" in #iris-ops; "second", "owner" and "guest" are here too. Try this:

  status                               everything is well
  kill -9 %-8s                     in another terminal: edge1 dies
  declare P0 "no clients can connect"  the clocks start, the first diagnosis follows
  restart edge1     then: confirm      see what will run, run it, see that it worked
  recovered         then: resolve      proved and closed; timeline tells the story
  stop core         then: as second approve     %s needs a second person
  help              or:   help restart          all the words
  quit                                 ends the demo, and the cluster if the demo started it

More to break things with, in another terminal: irisops lab pause edge2 --dir %s

`, pidOf(ctx, l, "edge1"), dangerous(l), shellWord(l.Dir()))
	return terminal.Interact(ctx, s.in)
}

// dangerous says what `stop core` is: core is the one core, or the role of all.
func dangerous(l *lab.Lab) string {
	if _, err := l.Node(string(lab.Core)); err != nil {
		return "all cores at once: that"
	}
	return "what is dangerous"
}

func pidOf(ctx context.Context, l *lab.Lab, short string) string {
	st, err := l.Status(ctx)
	if err != nil {
		return "PID"
	}
	for _, n := range st.Nodes {
		if n.Short == short && n.PID != 0 {
			return fmt.Sprint(n.PID)
		}
	}
	return "PID"
}
