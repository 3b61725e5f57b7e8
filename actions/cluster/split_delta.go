package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// A delta is what a losing side has and the other does not: its stored messages
// since the split, the bucket counts of their users, and all its revoked tokens.
// It is kept by irisops in pieces, one file each, and a manifest that is written
// last: where there is a manifest, the delta is whole.

// manifest is a delta's table of contents. No name or message is in it.
type manifest struct {
	Cluster  string      `json:"cluster"`
	Losers   []string    `json:"losers"`
	Winners  []string    `json:"winners"`
	Node     string      `json:"node"` // read there
	From     time.Time   `json:"from"`
	At       time.Time   `json:"at"`
	Rows     int64       `json:"rows"`     // of offline_msg
	Messages int64       `json:"messages"` // in them: a row can hold a list
	Tokens   int64       `json:"tokens"`
	Pieces   []pieceFile `json:"pieces"`
}

// pieceFile is one file of a delta.
type pieceFile struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	Rows  int    `json:"rows"`
	Sum   string `json:"sha256"`
}

// deltaName begins the names of a delta's files.
func deltaName(cluster, stamp string) string { return "split-" + cluster + "-" + stamp }

// saveDelta reads the delta on a core of the losing side and keeps it. The files
// of an attempt that ended in the middle stay and are not used.
func (c *Cluster) saveDelta(ctx context.Context, n Node, m manifest, name string) (manifest, error) {
	names, err := c.opt.Exports.Names()
	if err != nil {
		return m, err
	}
	attempt := 1
	for slices.ContainsFunc(names, func(taken string) bool { return strings.HasPrefix(taken, fmt.Sprintf("%s-%d-", name, attempt)) }) {
		attempt++
	}
	m.Node, m.Pieces = n.Short, nil
	for _, table := range []struct {
		name string
		from int64
		rows *int64
	}{{"offline_msg", m.From.UnixMilli(), &m.Rows}, {"revoked_tokens", 0, &m.Tokens}} {
		_, times, err := c.cuts(ctx, n, table.name, table.from)
		if actions.CodeOf(err) == actions.CodeBadRPC && table.name != "offline_msg" {
			continue // an IRIS without this table
		}
		if err != nil {
			return m, err
		}
		for i, from := range times {
			var to term.Term
			if i+1 < len(times) {
				to = times[i+1]
			}
			rows, metas, err := c.rowsBetween(ctx, n, table.name, from, to)
			if err != nil {
				return m, err
			}
			content, err := encodePiece(rows, metas)
			if err != nil {
				return m, err
			}
			file := pieceFile{Name: fmt.Sprintf("%s-%d-%05d.delta", name, attempt, len(m.Pieces)+1), Table: table.name, Rows: len(rows), Sum: sum256(content)}
			if err := c.opt.Exports.Write(file.Name, content); err != nil {
				return m, err
			}
			m.Pieces = append(m.Pieces, file)
			*table.rows += int64(len(rows))
			if table.name == "offline_msg" {
				_, messages, err := mailIn(rows)
				if err != nil {
					return m, err
				}
				m.Messages += messages
			}
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	return m, c.opt.Exports.Write(name+".manifest", append(text, '\n'))
}

// delta reads the manifest and looks whether every piece is there as it was
// written. missing says that there is no manifest: nothing is whole.
func (c *Cluster) delta(name string) (m manifest, missing bool, err error) {
	text, err := c.opt.Exports.Read(name + ".manifest")
	if errors.Is(err, fs.ErrNotExist) {
		return m, true, actions.Errorf("no-delta", "There is no %s.", c.opt.Exports.Path(name+".manifest"))
	}
	if err != nil {
		return m, false, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, false, actions.Errorf("damaged", "%s cannot be read: %w", c.opt.Exports.Path(name+".manifest"), err)
	}
	for _, p := range m.Pieces {
		if _, _, err := c.pieceOf(p); err != nil {
			return m, false, err
		}
	}
	return m, false, nil
}

func (c *Cluster) pieceOf(p pieceFile) (rows, metas [][]byte, err error) {
	content, err := c.opt.Exports.Read(p.Name)
	if err != nil {
		return nil, nil, err
	}
	if sum256(content) != p.Sum {
		return nil, nil, actions.Errorf("damaged", "%s is not as it was written.", c.opt.Exports.Path(p.Name))
	}
	return decodePiece(content)
}

// merged is what came of merging one piece.
type merged struct {
	New    int64 `json:"new"`    // records that were not there
	Raised int64 `json:"raised"` // bucket counts that were smaller
}

// mergeDelta writes a delta to a core. What has come of each piece is kept as
// well, so that after an interruption at most one piece is written twice, which
// changes nothing in a bag.
func (c *Cluster) mergeDelta(ctx context.Context, n Node, name string, m manifest) (string, error) {
	var messages, tokens merged
	users := map[string]bool{}
	for i, p := range m.Pieces {
		rows, metas, err := c.pieceOf(p)
		if err != nil {
			return "", err
		}
		came, err := c.mergePiece(ctx, n, fmt.Sprintf("%s-%05d.merged", name, i+1), p.Table, rows, metas)
		if err != nil {
			return fmt.Sprintf("%d of %d pieces are merged", i, len(m.Pieces)), err
		}
		if p.Table != "offline_msg" {
			tokens.New += came.Raised
			continue
		}
		messages.New, messages.Raised = messages.New+came.New, messages.Raised+came.Raised
		who, _, err := mailIn(rows)
		if err != nil {
			return "", err
		}
		for u := range who {
			users[u] = true
		}
	}
	return m.report(messages, tokens, users), nil
}

func (c *Cluster) mergePiece(ctx context.Context, n Node, done, table string, rows, metas [][]byte) (came merged, err error) {
	text, err := c.opt.Exports.Read(done)
	switch {
	case err == nil:
		return came, json.Unmarshal(text, &came)
	case !errors.Is(err, fs.ErrNotExist):
		return came, err
	}
	// Counts first: a message in a bucket beyond its user's count is never read.
	raise, add := metas, rows
	if table != "offline_msg" {
		raise, add = rows, nil
	}
	if came.Raised, err = c.write(ctx, n, raiseRows, raise); err != nil {
		return came, err
	}
	if came.New, err = c.write(ctx, n, addRows, add); err != nil {
		return came, err
	}
	if text, err = json.Marshal(came); err != nil {
		return came, err
	}
	return came, c.opt.Exports.Write(done, text)
}

// report says what was merged: counts and names, never what is in the messages.
func (m manifest) report(messages, tokens merged, users map[string]bool) string {
	names := make([]string, 0, len(users))
	for u := range users {
		names = append(names, spokenUser(u))
	}
	slices.Sort(names)
	who := listed(names)
	if len(names) > 5 {
		who = fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	text := "no stored messages to merge"
	if m.Rows > 0 {
		text = fmt.Sprintf("%s in %s for %s (%s)", plural64(m.Messages, "message"), plural64(m.Rows, "record"), plural(len(names), "user"), who)
		if old := m.Rows - messages.New; old > 0 {
			text += fmt.Sprintf("; %s were there already", plural64(old, "record"))
		}
		text += "; they are delivered at the next login"
	}
	if messages.Raised > 0 {
		text += fmt.Sprintf("; bucket counts of %s raised", plural64(messages.Raised, "user"))
	}
	return text + fmt.Sprintf("; %d of %s added or renewed", tokens.New, plural64(m.Tokens, "revoked token"))
}

// mailIn is for whom records of offline_msg are, and how many messages they hold.
func mailIn(rows [][]byte) (users map[string]bool, messages int64, err error) {
	users = map[string]bool{}
	for _, raw := range rows {
		t, _, err := term.Decode(raw)
		if err != nil {
			return nil, 0, err
		}
		row, ok := t.(term.Tuple)
		if !ok || len(row) != 4 {
			return nil, 0, unexpected(t)
		}
		if key, ok := row[1].(term.Tuple); ok && len(key) == 2 {
			if u, ok := key[0].([]byte); ok {
				users[string(u)] = true
			}
		}
		messages += messagesOf(row[3])
	}
	return users, messages, nil
}

// messagesOf counts a record's messages: a list is flattened as a login does it.
func messagesOf(t term.Term) int64 {
	list, ok := t.(term.List)
	if !ok {
		return 1
	}
	var n int64
	for _, e := range list {
		n += messagesOf(e)
	}
	return n
}

func sum256(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// A piece is {[Record], [Meta]} in Erlang's external format, each a binary: what
// binary_to_term reads without irisops.
func encodePiece(rows, metas [][]byte) ([]byte, error) {
	lists := term.Tuple{make(term.List, len(rows)), make(term.List, len(metas))}
	for i, part := range [][][]byte{rows, metas} {
		for j, b := range part {
			lists[i].(term.List)[j] = b
		}
	}
	return term.Append(nil, lists)
}

func decodePiece(content []byte) (rows, metas [][]byte, err error) {
	t, _, err := term.Decode(content)
	if err != nil {
		return nil, nil, err
	}
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return nil, nil, unexpected(t)
	}
	if rows, err = binaries(pair[0]); err != nil {
		return nil, nil, err
	}
	metas, err = binaries(pair[1])
	return rows, metas, err
}
