package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/inbox"
)

// Server lets irisops ctl talk to the bot over a Unix socket. Who the caller is
// comes from the kernel, not from what they say.
type Server struct {
	Path  string // of the socket
	Group string // whose members may connect; "" is the group that irisops runs with
	Bot   Conversation
	// Copy writes a copy of the database, after it has told its size. May be nil.
	Copy func(size func(int64) error, to io.Writer) error
	Log  *slog.Logger

	listener *net.UnixListener
	clients  sync.WaitGroup
}

// Start listens. A socket that a dead irisops left behind is replaced; one that
// answers belongs to another irisops and is left alone.
func (s *Server) Start() error {
	if err := s.clearStale(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o750); err != nil {
		return fmt.Errorf("the socket's folder cannot be made: %w", err)
	}
	// Born closed to everyone else; opened to the group below.
	old := unix.Umask(0o177)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Path, Net: "unix"})
	unix.Umask(old)
	if err != nil {
		return fmt.Errorf("the socket cannot be opened: %w", err)
	}
	if err := s.open(); err != nil {
		listener.Close()
		return err
	}
	s.listener = listener
	s.clients.Add(1)
	go s.accept()
	return nil
}

// Close refuses new clients.
func (s *Server) Close(context.Context) error {
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Wait waits until those being answered are answered to the end.
func (s *Server) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.clients.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("clients of the socket were still being answered: %w", ctx.Err())
	}
}

func (s *Server) clearStale() error {
	info, err := os.Lstat(s.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the socket cannot be looked at: %w", err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return &actions.Error{Code: "socket-taken", Text: fmt.Sprintf("%s exists and is no socket; it is left alone.", s.Path), Hint: "Set socket: path: to another place."}
	}
	if conn, err := net.DialTimeout("unix", s.Path, time.Second); err == nil {
		conn.Close()
		return &actions.Error{Code: "socket-taken", Text: fmt.Sprintf("Another irisops answers on %s.", s.Path), Hint: "Stop that one first, or set socket: path: to another place."}
	}
	return os.Remove(s.Path)
}

// open gives the socket its mode, 0660, and its group: the named one, else the
// one that irisops runs with.
func (s *Server) open() error {
	if s.Group == "" {
		return os.Chmod(s.Path, 0o660)
	}
	group, err := user.LookupGroup(s.Group)
	if err != nil {
		return &actions.Error{Code: "no-group", Text: fmt.Sprintf("There is no group %q on this host, so the socket cannot be given to it.", s.Group), Hint: "Make it with `groupadd`, or correct socket: group:.", Err: err}
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	if err := os.Chown(s.Path, -1, gid); err != nil {
		return fmt.Errorf("the socket cannot be given to group %s: %w", s.Group, err)
	}
	return os.Chmod(s.Path, 0o660)
}

func (s *Server) accept() {
	defer s.clients.Done()
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.Log.Error("the socket does not accept", "err", err)
			<-time.After(100 * time.Millisecond) // out of descriptors, most likely: do not spin
			continue
		}
		s.clients.Add(1)
		go func() {
			defer s.clients.Done()
			defer conn.Close()
			s.serve(conn)
		}()
	}
}

func (s *Server) serve(conn *net.UnixConn) {
	c := &client{out: json.NewEncoder(conn)}
	caller, err := peer(conn)
	if err != nil {
		s.Log.Error("the socket's peer is not known", "err", err)
		return
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(io.LimitReader(conn, maxAsk)).ReadBytes('\n')
	if err != nil {
		return // gone, silent, or too long to be a command
	}
	var ask Ask
	if err := json.Unmarshal(line, &ask); err != nil || ask.ID == "" {
		c.send(Answer{End: &End{Code: bot.ExitUsage}})
		return
	}
	if ask.Copy {
		s.copyTo(conn, c, caller)
		return
	}
	c.id = "socket/" + caller + "/" + ask.ID
	s.Bot.Join(c)
	out := s.Bot.Handle(context.Background(), inbox.Delivery{
		ID: c.id, Via: "socket", Caller: caller, Text: ask.Text, Yes: ask.Yes, Received: time.Now().UTC(),
	})
	code := out.Wait()
	s.Bot.Leave(c)
	c.send(Answer{End: &End{Code: code}})
}

// peer is who holds the other end: "unix:1000", from the kernel.
func peer(conn *net.UnixConn) (string, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return "", err
	}
	if credErr != nil {
		return "", credErr
	}
	return "unix:" + strconv.FormatUint(uint64(cred.Uid), 10), nil
}

// client is one connection as a room: it shows what answers its own command.
type client struct {
	id   string
	mu   sync.Mutex
	out  *json.Encoder
	gone bool
}

var _ bot.OwnRoom = (*client)(nil)

// Of implements bot.OwnRoom: the other end is one process of one account.
func (c *client) Of(delivery string) bool { return delivery == c.id }

// Publish implements bot.Room.
func (c *client) Publish(_ context.Context, p bot.Post) error {
	if p.Answers == c.id {
		c.send(Answer{Post: &p})
	}
	return nil
}

func (c *client) send(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	if err := c.out.Encode(a); err != nil {
		c.gone = true // the command goes on; its record is in the timeline
	}
}
