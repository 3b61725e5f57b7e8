package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/command"
	"irisops/bot/console"
	"irisops/cmd/irisops/config"
)

type ctlCommand struct {
	Config string   `help:"The config of the irisops to talk to." type:"path" xor:"where"`
	Socket string   `help:"Its socket." type:"path" xor:"where"`
	JSON   bool     `name:"json" help:"Print what is said as one JSON value."`
	Yes    bool     `help:"Confirm your own request beforehand. Never enough where a second person is needed."`
	All    bool     `help:"Show what is folded away."`
	Save   string   `help:"Keep the files of the answer (a post-mortem, a picture, an export) in this folder." type:"path" placeholder:"FOLDER"`
	Words  []string `arg:"" passthrough:"" help:"What to say: status, declare P0 'no clients can connect', help."`
}

// usualSockets are where irisops listens, wherever that is not said: as the
// systemd unit has it, as docs/irisops.example.yaml has it, and in the data
// folder that both have.
var usualSockets = []string{"/run/irisops/irisops.sock", "/run/irisops.sock", "/var/lib/irisops/irisops.sock"}

func (c ctlCommand) Run(ctx context.Context, s streams) error {
	if err := c.takeFlags(); err != nil {
		return err
	}
	path, err := c.socket()
	if err != nil {
		return err
	}
	var last []string              // keys in order of appearance
	posts := map[string]bot.Post{} // the last state of each
	style := styleOf(s.out)
	style.Keep = c.again() + " --save FOLDER"
	text, all := console.Everything(command.Join(c.Words))
	style.All = c.All || all
	code, err := console.Dial(ctx, path, text, c.Yes, func(p bot.Post) {
		before, known := posts[p.Key]
		if !known {
			last = append(last, p.Key)
		}
		posts[p.Key] = p
		switch {
		case c.JSON:
		case !known:
			console.Render(s.out, p.Message, style)
		default:
			for _, line := range console.Delta(before.Message, p.Message, style) {
				fmt.Fprintln(s.out, line)
			}
		}
	})
	if err != nil {
		return err
	}
	if err := c.save(last, posts, s); err != nil {
		return err
	}
	if c.JSON {
		said := []bot.Post{}
		for _, key := range last {
			said = append(said, posts[key])
		}
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(map[string]any{"code": code, "posts": said}); err != nil {
			return err
		}
	}
	if code != exitDone {
		return exit(code)
	}
	return nil
}

// save keeps the files of the last state of each post, each once.
func (c ctlCommand) save(keys []string, posts map[string]bot.Post, s streams) error {
	if c.Save == "" {
		return nil
	}
	for _, key := range keys {
		for _, f := range console.Files(posts[key].Message) {
			path, err := console.Save(c.Save, f)
			if err != nil {
				return err
			}
			fmt.Fprintln(s.err, "saved", path)
		}
	}
	return nil
}

// takeFlags takes irisops's own flags off the end of the words: who adds --save
// FOLDER to what was typed before means the same as who puts it in front.
func (c *ctlCommand) takeFlags() error {
	values := map[string]*string{"--save": &c.Save, "--config": &c.Config, "--socket": &c.Socket}
	switches := map[string]*bool{"--json": &c.JSON, "--yes": &c.Yes}
	for {
		n := len(c.Words)
		if n > 1 && switches[c.Words[n-1]] != nil {
			*switches[c.Words[n-1]], c.Words = true, c.Words[:n-1]
			continue
		}
		if n > 0 && values[c.Words[n-1]] != nil {
			return &actions.Error{Code: "usage", Text: c.Words[n-1] + " needs a value behind it.", Hint: "See: irisops ctl --help"}
		}
		if n < 3 || values[c.Words[n-2]] == nil {
			break
		}
		path, err := filepath.Abs(c.Words[n-1])
		if err != nil {
			return err
		}
		*values[c.Words[n-2]], c.Words = path, c.Words[:n-2]
	}
	if c.Config != "" && c.Socket != "" {
		return &actions.Error{Code: "usage", Text: "--config and --socket both say which irisops is meant.", Hint: "Give one of them."}
	}
	return nil
}

// again is how this very irisops is spoken to once more.
func (c ctlCommand) again() string {
	words := program + " ctl"
	switch {
	case c.Socket != "":
		words += " --socket " + shellWord(c.Socket)
	case c.Config != "":
		words += " --config " + shellWord(c.Config)
	}
	return words
}

func (c ctlCommand) socket() (string, error) {
	switch {
	case c.Socket != "":
		return c.Socket, nil
	case c.Config != "":
		path, err := config.SocketPath(c.Config)
		if err != nil { // often a config is not for those who may use the socket
			return "", &actions.Error{Code: "config", Text: strings.TrimSuffix(err.Error(), ".") + ".", Err: err,
				Hint: "Without --config, irisops ctl looks for the socket where it usually is; --socket PATH names it."}
		}
		return path, nil
	}
	if env := os.Getenv("IRISOPS_SOCKET"); env != "" {
		return env, nil
	}
	return firstSocket(usualSockets)
}

// firstSocket is the first of the paths where anything is. One that this account
// may not look at is told apart from one that is not there.
func firstSocket(paths []string) (string, error) {
	var closed []string
	for _, path := range paths {
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case errors.Is(err, fs.ErrPermission):
			closed = append(closed, path)
		}
	}
	e := &actions.Error{Code: "usage", Text: "Which irisops do you mean? None listens on " + strings.Join(paths, ", ") + ".",
		Hint: "Give --config FILE or --socket PATH, or set IRISOPS_SOCKET; where none runs, start one: irisops run --config FILE"}
	if len(closed) > 0 {
		e.Text = fmt.Sprintf("Which irisops do you mean? This account may not look at %s, and nothing else is on %s.", strings.Join(closed, ", "), strings.Join(paths, ", "))
	}
	return "", e
}

// styleOf fits what is printed to where it goes.
func styleOf(w any) console.Style {
	style := console.Style{Width: 100, Unicode: true}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			style.Width = width
		}
		style.Color = os.Getenv("NO_COLOR") == ""
	}
	return style
}
