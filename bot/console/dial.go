package console

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"irisops/actions"
	"irisops/bot"
)

// Dial sends one command to the bot that listens on the socket, hands each post
// to show, and returns the exit code.
func Dial(ctx context.Context, path, text string, yes bool, show func(bot.Post)) (int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return 0, dialFailed(path, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(Ask{ID: rand.Text(), Text: text, Yes: yes}); err != nil {
		if notTaken(err) {
			return 0, errNotTaken(err)
		}
		return 0, fmt.Errorf("the command could not be sent: %w", err)
	}
	in := json.NewDecoder(bufio.NewReader(conn))
	for {
		var a Answer
		if err := in.Decode(&a); err != nil {
			if notTaken(err) {
				return 0, errNotTaken(err)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				err = &actions.Error{Code: "cut-off", Text: "irisops ended before it had answered.", Hint: "What was begun is on record: start it again and look with `status`."}
			}
			return 0, err
		}
		if a.End != nil {
			return a.End.Code, nil
		}
		if a.Post != nil {
			show(*a.Post)
		}
	}
}

// notTaken says that the other end went without having read the command: a socket
// that is closed with something unread in it resets the connection (unix(7)).
func notTaken(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func errNotTaken(err error) error {
	return &actions.Error{Code: "not-taken", Err: err, Text: "irisops was stopping and did not take the command: nothing was done.", Hint: "Say it again when it runs."}
}

func dialFailed(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &actions.Error{Code: "not-running", Err: err, Text: fmt.Sprintf("No irisops listens on %s.", path),
			Hint: "Start it with `irisops run --config FILE`, or name its socket with --socket."}
	case errors.Is(err, os.ErrPermission):
		return &actions.Error{Code: "not-allowed", Err: err, Text: fmt.Sprintf("You may not open %s.", path),
			Hint: "Ask to be added to the group that the config names under socket: group:."}
	}
	return fmt.Errorf("the socket %s cannot be opened: %w", path, err)
}
