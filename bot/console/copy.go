package console

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"irisops/actions"
)

// copyWithin bounds how long a copy of the database may take.
const copyWithin = 10 * time.Minute

// copyTo sends a copy of the database, as one line that says how many bytes
// follow and then the bytes. It is for those who could read the file anyway:
// root, and the account that irisops runs as.
func (s *Server) copyTo(conn *net.UnixConn, c *client, caller string) {
	if s.Copy == nil || caller != "unix:0" && caller != fmt.Sprintf("unix:%d", os.Getuid()) {
		c.send(Answer{Refused: "Only root and the account that irisops runs as may copy its database."})
		return
	}
	conn.SetDeadline(time.Now().Add(copyWithin))
	err := s.Copy(func(size int64) error { return c.out.Encode(Answer{Bytes: size}) }, conn)
	if err != nil {
		s.Log.Error("the database was not copied to the end", "err", err) // the reader sees too few bytes
	}
}

// Copy has the bot that listens on the socket copy its database to the writer.
func Copy(ctx context.Context, path string, to io.Writer) (int64, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return 0, dialFailed(path, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(Ask{ID: "copy", Copy: true}); err != nil {
		return 0, fmt.Errorf("the copy could not be asked for: %w", err)
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("the copy was not begun: %w", err)
	}
	var a Answer
	switch err := json.Unmarshal(line, &a); {
	case err != nil:
		return 0, fmt.Errorf("the answer on %s is none of irisops's: %w", path, err)
	case a.Refused != "":
		return 0, &actions.Error{Code: "not-allowed", Text: a.Refused}
	case a.Bytes == 0:
		return 0, actions.Errorf("not-available", "The irisops on %s is older and cannot copy its database.", path)
	}
	n, err := io.CopyN(to, in, a.Bytes)
	if err != nil {
		return n, fmt.Errorf("%d of %d bytes came: %w", n, a.Bytes, err)
	}
	return n, nil
}
