// Command irisops stands beside the people who run IRIS: it says what is wrong,
// does what was agreed, proves that it worked, and calls the next person when it
// has not. This package reads flags and the config, joins the lists, and starts
// and stops the parts; what they do stands in bot, actions and store.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"irisops/actions"
)

// version is set by the build.
var version = "unknown"

// Exit codes, beside diagnose's own.
const (
	exitDone    = 0
	exitRefused = 1 // refused or failed, with a sentence on stderr
	exitUsage   = 2 // wrong usage
)

type commands struct {
	Run         runCommand      `cmd:"" help:"Stand beside the clusters that the config describes."`
	Demo        demoCommand     `cmd:"" default:"withargs" help:"A local cluster of real Erlang nodes, and the conversation in this terminal. This is what runs when nothing is given."`
	Ctl         ctlCommand      `cmd:"" help:"Say something to a running irisops over its socket: ${program} ctl status"`
	Diagnose    diagnoseCommand `cmd:"" help:"Make all checks once, without a running irisops. Exits 2 if anything is critical, else 3 if something is unknown, else 1 on warnings, else 0."`
	CheckConfig checkCommand    `cmd:"" help:"Read a config and name every fault, with file and line."`
	BackupDB    backupCommand   `cmd:"" name:"backup-db" help:"Copy irisops's own database to a file, while irisops runs or while it does not."`
	RestoreDB   restoreCommand  `cmd:"" name:"restore-db" help:"Put such a copy in the database's place. The one that stood there is kept."`
	Doctor      doctorCommand   `cmd:"" help:"Look whether all that irisops needs outside itself is there: Slack's tokens, scopes, channels and connection, clusters, pagers."`
	Manifest    manifestCommand `cmd:"" help:"Print the manifest of the Slack app, for exactly what works."`
	Lab         labCommand      `cmd:"" help:"A small cluster of real Erlang nodes, to try things on."`
	Version     versionCommand  `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in  *os.File
	out io.Writer
	err io.Writer
}

// exit ends the program with a code, after its sentence was printed.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	calledBy(os.Args[0])
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams) (code int) {
	var c commands
	parser, err := kong.New(&c, kong.Name(program), kong.Vars{"program": program},
		kong.Description(typed("Stands beside the people who run IRIS. Start with: irisops demo")),
		kong.Writers(s.out, s.err), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(n int) { panic(exit(n)) }), // --help
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(s))
	if err != nil {
		fmt.Fprintln(s.err, "irisops:", err)
		return exitRefused
	}
	defer func() {
		if p := recover(); p != nil {
			n, ok := p.(exit)
			if !ok {
				panic(p)
			}
			code = int(n)
		}
	}()
	if len(args) == 1 { // as other programs have it
		switch args[0] {
		case "--version":
			args = []string{"version"}
		case "help":
			args = []string{"--help"}
		}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		say(s.err, "irisops: %v\nSee: %s %s\n", err, program, helpOf(err, args))
		return exitUsage
	}
	return report(parsed.Run(), s.err)
}

// helpOf is how the help is called up of the command that was not understood.
func helpOf(err error, args []string) string {
	words := ""
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		for _, step := range wrong.Context.Path {
			if step.Command != nil && slices.Contains(args, step.Command.Name) { // demo is not always said
				words += step.Command.Name + " "
			}
		}
	}
	return words + "--help"
}

// report prints why a command failed, once, and picks its exit code.
func report(err error, w io.Writer) int {
	var n exit
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &n):
		return int(n)
	}
	say(w, "irisops: %v\n", err)
	if actions.CodeOf(err) == "usage" {
		return exitUsage
	}
	return exitRefused
}

type versionCommand struct{}

func (versionCommand) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "irisops", version)
	return err
}
