package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"irisops/bot"
	"irisops/bot/console"
	"irisops/cmd/irisops/config"
)

// playConfig makes the test binary a bot that takes its lines from stdin.
const playConfig = "IRISOPS_TEST_PLAY"

func TestMain(m *testing.M) {
	if path := os.Getenv(playConfig); path != "" {
		if err := play(path); err != nil {
			fmt.Fprintln(os.Stderr, "play:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if path := os.Getenv(slackConfig); path != "" {
		if err := playInSlack(path, os.Getenv(slackAPI)); err != nil {
			fmt.Fprintln(os.Stderr, "play in Slack:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"irisops": main})
}

// TestCommandLine plays the scripts of the command line.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		// expand writes the script's folder in the place of WORK in a file.
		"expand": func(ts *testscript.TestScript, _ bool, args []string) {
			path := ts.MkAbs(args[0])
			text := strings.ReplaceAll(ts.ReadFile(args[0]), "WORK", ts.Getenv("WORK"))
			ts.Check(os.WriteFile(path, []byte(text), 0o600))
		},
	}})
}

// play is irisops with the demo's people, in a process that can be killed: each
// line of stdin is "who: text".
func play(path string) error {
	ctx := context.Background()
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	terminal := console.NewTerminal(os.Stdout, false, console.Style{Width: 200}, time.UTC, demoPeople())
	a, err := newApp(cfg, overrides{demo: true, rooms: []bot.Room{terminal}, failpoint: killer(os.Getenv(killedAt))}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	terminal.Bot = a.bot
	if err := a.Start(ctx); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		who, text := terminal.Speaker("as " + in.Text())
		fmt.Printf("code %d\n", terminal.Say(ctx, who, text))
	}
	return a.Stop(ctx)
}
