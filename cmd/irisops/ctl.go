package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

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

// defaultSocket is where irisops listens unless the config says otherwise.
const defaultSocket = "/run/irisops.sock"

func (c ctlCommand) Run(ctx context.Context, s streams) error {
	path, err := c.socket()
	if err != nil {
		return err
	}
	var last []string              // keys in order of appearance
	posts := map[string]bot.Post{} // the last state of each
	style := styleOf(s.out)
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

func (c ctlCommand) socket() (string, error) {
	switch {
	case c.Socket != "":
		return c.Socket, nil
	case c.Config != "":
		return config.SocketPath(c.Config)
	}
	if env := os.Getenv("IRISOPS_SOCKET"); env != "" {
		return env, nil
	}
	if _, err := os.Stat(defaultSocket); err == nil {
		return defaultSocket, nil
	}
	return "", &actions.Error{Code: "usage", Text: "Which irisops do you mean? None listens on " + defaultSocket + ".", Hint: "Give --config FILE or --socket PATH."}
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
