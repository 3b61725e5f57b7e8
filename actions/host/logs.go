package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

const (
	maxTail   = 1 << 20  // bytes read of a log's end
	tailChunk = 64 << 10 // bytes read at once
)

// logPath is where the node's log is or would be.
func logPath(n cluster.Node) (string, error) {
	if err := hereWithFolder(n); err != nil {
		return "", err
	}
	if !filepath.IsLocal(n.Log) || strings.ContainsRune(n.Log, 0) {
		return "", actions.Errorf(CodeBadValue, "%s is not the name of a log inside %s.", quote(n.Log), n.Dir)
	}
	return filepath.Join(n.Dir, n.Log), nil
}

// LogTail implements cluster.Host. Lines are valid UTF-8 without control
// characters, cookies are masked, lines longer than 4 KiB are cut. An empty log
// has no lines; a missing one is CodeNoLog.
func (l *Local) LogTail(ctx context.Context, n cluster.Node, max int) ([]string, error) {
	path, err := logPath(n)
	if err != nil {
		return nil, err
	}
	// Without O_NONBLOCK, opening a named pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noLog(n, err)
	}
	if err != nil {
		return nil, classify(err, "The log cannot be opened")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, classify(err, "The log cannot be read")
	}
	if !info.Mode().IsRegular() {
		return nil, actions.Errorf(CodeBadValue, "%s is not a file.", path)
	}
	if max <= 0 {
		return nil, nil
	}
	end, whole, err := readEnd(ctx, f, info.Size(), max)
	if err != nil {
		return nil, classify(err, "The log cannot be read")
	}
	lines := l.secrets.lines(end)
	if !whole && len(lines) > 1 {
		lines = lines[1:] // its beginning was not read
	}
	return lines[len(lines)-min(len(lines), max):], nil
}

func noLog(n cluster.Node, err error) error {
	return &actions.Error{Code: CodeNoLog, Err: err,
		Text: fmt.Sprintf("There is no log %s in %s: %s has not been started there.", n.Log, n.Dir, n.Short)}
}

// readEnd reads backwards from size until it has more than max line ends or
// maxTail bytes. Whole says that it reached the file's beginning. A file that is
// truncated meanwhile gives what is left of it.
func readEnd(ctx context.Context, f io.ReaderAt, size int64, max int) (end []byte, whole bool, err error) {
	low := size - min(size, maxTail)
	pos := size
	for pos > low && bytes.Count(end, []byte("\n")) <= max {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		length := min(tailChunk, pos-low)
		chunk := make([]byte, length, length+int64(len(end)))
		read, err := f.ReadAt(chunk, pos-length)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		end = append(chunk[:read], end...)
		pos -= length
	}
	return end, pos == 0, nil
}

// OlderLogs implements cluster.OlderLogs.
func (l *Local) OlderLogs(_ context.Context, n cluster.Node) ([]string, error) {
	file, err := logPath(n)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, classify(err, "The folder of the log cannot be read")
	}
	made := map[string]time.Time{}
	var names []string
	for _, e := range entries {
		name, ok := olderLog(n, e.Name())
		if info, err := e.Info(); ok && err == nil && info.Mode().IsRegular() {
			made[name] = info.ModTime()
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(made[b].Compare(made[a]), strings.Compare(b, a)) })
	return names, nil
}

// olderLog is the name in the node's folder of a file beside its log, if that is
// an older one: core.log.20261123T031502Z, core.log.1, core.log-20261123.
func olderLog(n cluster.Node, base string) (string, bool) {
	rest, ok := strings.CutPrefix(base, filepath.Base(n.Log))
	if !ok || len(rest) < 2 || rest[0] != '.' && rest[0] != '-' || checkWord("", base) != nil {
		return "", false
	}
	switch filepath.Ext(base) {
	case ".gz", ".xz", ".zst", ".bz2", ".Z":
		return "", false
	}
	return filepath.Join(filepath.Dir(n.Log), base), true
}

// ArchiveLog implements cluster.Host: edge1.log becomes
// edge1.log.20261123T031502Z, or the same with -2, -3 ... if that exists. A log
// that is a link is archived where it points to, so that the link keeps working.
func (l *Local) ArchiveLog(ctx context.Context, n cluster.Node, now time.Time) (string, error) {
	path, err := logPath(n)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", archiveError(err)
	}
	info, err := os.Lstat(target)
	if err != nil {
		return "", archiveError(err)
	}
	if !info.Mode().IsRegular() {
		return "", actions.Errorf(CodeBadValue, "%s is not a file, so it is not archived.", path)
	}
	for i := 1; i <= maxArchives; i++ {
		if err := ctx.Err(); err != nil {
			return "", archiveError(err)
		}
		name := archiveName(target, now, i)
		err := renameNew(target, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", archiveError(err)
		}
	}
	return "", tooManyArchives(target, now)
}

// archiveName is the i-th name to try, from 1.
func archiveName(target string, now time.Time, i int) string {
	name := target + "." + now.UTC().Format("20060102T150405Z")
	if i > 1 {
		name = fmt.Sprintf("%s-%d", name, i)
	}
	return name
}

// maxArchives bounds how many names of one second are tried.
const maxArchives = 1000

func tooManyArchives(target string, now time.Time) error {
	return actions.Errorf(CodeBadValue, "There are already %d archives named %s.", maxArchives, archiveName(target, now, 1))
}

// renameNew renames without ever replacing a file.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// This file system cannot promise it. Only irisops makes such names, so
		// looking first is enough.
		if _, err := os.Lstat(to); err == nil {
			return fs.ErrExist
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func archiveError(err error) error {
	e := classify(err, "The log cannot be archived").(*actions.Error)
	e.Hint = strings.TrimSpace(e.Hint + " With --no-archive the start goes on, and the old log is lost.")
	return e
}
