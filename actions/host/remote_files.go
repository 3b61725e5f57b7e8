package host

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// reasons are the C library's words for errors, as programs print them with
// LC_ALL=C.
var reasons = []struct {
	says string
	err  error
}{
	{"No such file or directory", fs.ErrNotExist},
	{"Not a directory", syscall.ENOTDIR},
	{"Permission denied", fs.ErrPermission},
	{"Operation not permitted", fs.ErrPermission},
	{"Read-only file system", syscall.EROFS},
	{"No space left on device", syscall.ENOSPC},
	{"Disk quota exceeded", syscall.EDQUOT},
	{"No such process", syscall.ESRCH},
}

// reason is why a command failed: one of the errors above, or nil for any other.
func reason(a answer) error {
	for _, r := range reasons {
		if bytes.Contains(a.errs, []byte(r.says)) {
			return r.err
		}
	}
	return nil
}

// failed is classify for a command that ended with an error.
func (r *Remote) failed(a answer, tried string) error {
	tried += " on " + r.login.String()
	err := reason(a)
	if err == nil {
		return &actions.Error{Code: CodeFailed, Text: fmt.Sprintf("%s (exit status %d).%s", tried, a.exit, r.secrets.said(a.errs))}
	}
	e := classify(err, tried).(*actions.Error)
	if e.Code == CodeNotAllowed {
		e.Hint = fmt.Sprintf("Log in as the user that runs IRIS there: irisops is %s.", r.login.user)
	}
	return e
}

// fileInfo is what stat -t prints of a file.
type fileInfo struct {
	size  int64
	mode  uint64 // as st_mode of stat(2)
	dev   string
	inode string
}

func (f fileInfo) regular() bool { return f.mode&syscall.S_IFMT == syscall.S_IFREG }
func (f fileInfo) dir() bool     { return f.mode&syscall.S_IFMT == syscall.S_IFDIR }

// stat follows links. A file that is not there is fs.ErrNotExist.
func (r *Remote) stat(ctx context.Context, file string) (fileInfo, error) {
	a, err := r.look(ctx, "stat", "-L", "-t", file)
	if err != nil {
		return fileInfo{}, err
	}
	if a.exit != 0 {
		if err := reason(a); err == fs.ErrNotExist || err == syscall.ENOTDIR {
			return fileInfo{}, fmt.Errorf("%s: %w", file, fs.ErrNotExist)
		}
		return fileInfo{}, r.failed(a, file+" cannot be looked at")
	}
	// NAME SIZE BLOCKS MODE UID GID DEVICE INODE ..., and the name has no space.
	f := strings.Fields(string(a.out))
	var info fileInfo
	var sizeErr, modeErr error
	if len(f) >= 8 {
		info.dev, info.inode = f[6], f[7]
		info.size, sizeErr = strconv.ParseInt(f[1], 10, 64)
		info.mode, modeErr = strconv.ParseUint(f[3], 16, 32)
	}
	if len(f) < 8 || sizeErr != nil || modeErr != nil {
		return fileInfo{}, actions.Errorf(CodeFailed, "What stat prints on %s cannot be read: %s", r.login, quote(string(a.out)))
	}
	return info, nil
}

// missing says whether an error of stat means that the file is not there.
func missing(err error) bool { return actions.CodeOf(err) == "" && err != nil }

// withFolder makes sure that the node's folder is there.
func (r *Remote) withFolder(ctx context.Context, n cluster.Node) error {
	if err := r.folder(n); err != nil {
		return err
	}
	info, err := r.stat(ctx, n.Dir)
	switch {
	case missing(err):
		return classify(err, "The folder of node "+quote(n.Short)+" cannot be used on "+r.login.String())
	case err != nil:
		return err
	case !info.dir():
		return actions.Errorf(CodeBadValue, "%s, the folder of node %s, is not a folder on %s.", quote(n.Dir), quote(n.Short), r.login)
	}
	return nil
}

// logFile is where the node's log is or would be, with what stands there. A
// missing log in a folder that is there is fs.ErrNotExist.
func (r *Remote) logFile(ctx context.Context, n cluster.Node) (string, fileInfo, error) {
	if err := r.folder(n); err != nil {
		return "", fileInfo{}, err
	}
	if !filepath.IsLocal(n.Log) || strings.HasPrefix(n.Log, "-") {
		return "", fileInfo{}, actions.Errorf(CodeBadValue, "%s is not the name of a log inside %s.", quote(n.Log), n.Dir)
	}
	if err := checkRemoteWord(n.Log); err != nil {
		return "", fileInfo{}, err
	}
	file := path.Join(n.Dir, n.Log)
	info, err := r.stat(ctx, file)
	if missing(err) {
		if err := r.withFolder(ctx, n); err != nil {
			return "", fileInfo{}, err
		}
		return file, fileInfo{}, err
	}
	if err == nil && !info.regular() {
		return "", fileInfo{}, actions.Errorf(CodeBadValue, "%s on %s is not a file.", file, r.login)
	}
	return file, info, err
}

// LogTail implements cluster.Host, as Local does. It fetches the last 64 KiB, and
// only if these are not enough lines, 1 MiB.
func (r *Remote) LogTail(ctx context.Context, n cluster.Node, max int) ([]string, error) {
	file, info, err := r.logFile(ctx, n)
	if missing(err) {
		return nil, noLog(n, err)
	}
	if err != nil {
		return nil, err
	}
	if max <= 0 {
		return nil, nil
	}
	for size := tailChunk; ; size = maxTail {
		a, err := r.lookAtMost(ctx, size, "tail", "-c", strconv.Itoa(size), file)
		if err != nil {
			return nil, err
		}
		if a.exit != 0 && !a.cut {
			return nil, r.failed(a, "The log "+file+" cannot be read")
		}
		whole := len(a.out) < size
		if !whole && size < maxTail && info.size > int64(size) && bytes.Count(a.out, []byte("\n")) <= max {
			continue
		}
		lines := r.secrets.lines(a.out)
		if !whole && len(lines) > 1 {
			lines = lines[1:] // its beginning was not read
		}
		return lines[len(lines)-min(len(lines), max):], nil
	}
}

// OlderLogs implements cluster.OlderLogs, as Local does. Of each name that fits it
// is looked that it is a file when it is read.
func (r *Remote) OlderLogs(ctx context.Context, n cluster.Node) ([]string, error) {
	file, _, err := r.logFile(ctx, n)
	if err != nil && !missing(err) {
		return nil, err
	}
	a, err := r.look(ctx, "ls", "-1", "-t", "-b", path.Dir(file))
	if err != nil {
		return nil, err
	}
	if a.exit != 0 {
		return nil, r.failed(a, "The folder of the log cannot be read")
	}
	var names []string
	for line := range strings.Lines(string(a.out)) {
		if name, ok := olderLog(n, strings.TrimSuffix(line, "\n")); ok && checkRemoteWord(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// ArchiveLog implements cluster.Host, as Local does. mv -n never replaces a file;
// whether it renamed is seen by the file's number, since it does not always tell.
func (r *Remote) ArchiveLog(ctx context.Context, n cluster.Node, now time.Time) (string, error) {
	file, info, err := r.logFile(ctx, n)
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", noArchive(err)
	}
	target, err := r.realPath(ctx, file)
	if err != nil {
		return "", noArchive(err)
	}
	for i := 1; i <= maxArchives; i++ {
		name := archiveName(target, now, i)
		a, err := r.look(ctx, "mv", "-n", "-T", target, name)
		if err != nil {
			return "", noArchive(err)
		}
		moved, err := r.stat(ctx, name)
		switch {
		case missing(err):
			return "", noArchive(r.failed(a, "The log cannot be archived"))
		case err != nil:
			return "", noArchive(err)
		case moved.dev == info.dev && moved.inode == info.inode:
			return name, nil
		}
	}
	return "", tooManyArchives(target, now)
}

// noArchive adds the way out to an error of archiving.
func noArchive(err error) error {
	e, ok := err.(*actions.Error)
	if !ok || e.Code == CodeBadValue {
		return err
	}
	with := *e
	with.Hint = strings.TrimSpace(e.Hint + " With --no-archive the start goes on, and the old log is lost.")
	return &with
}

// realPath follows links as far as the path exists.
func (r *Remote) realPath(ctx context.Context, file string) (string, error) {
	a, err := r.look(ctx, "readlink", "-v", "-m", file)
	if err != nil {
		return "", err
	}
	if a.exit != 0 {
		return "", r.failed(a, "The path "+file+" cannot be followed")
	}
	return strings.TrimSuffix(string(a.out), "\n"), nil
}

// CoreData implements cluster.Host, as Local does. The host's own clock is asked,
// so that ages can be compared between hosts whose clocks differ.
func (r *Remote) CoreData(ctx context.Context, n cluster.Node) (cluster.CoreData, error) {
	var d cluster.CoreData
	var err error
	if d.Mnesia, err = r.dataFolder(ctx, n); err != nil {
		return cluster.CoreData{}, err
	}
	if d.WAL, err = r.folderAt(ctx, path.Join(n.Dir, walFolder)); err != nil {
		return cluster.CoreData{}, err
	}
	if !filepath.IsLocal(n.Log) {
		return cluster.CoreData{}, actions.Errorf(CodeBadValue, "%s is not the name of a log inside %s.", quote(n.Log), n.Dir)
	}
	d.Log.Path = path.Join(n.Dir, n.Log)
	if d.Log, err = r.fileAt(ctx, d.Log.Path); err != nil {
		return cluster.CoreData{}, err
	}
	a, err := r.look(ctx, "date", "--iso-8601=ns")
	if err != nil {
		return cluster.CoreData{}, err
	}
	text := strings.Replace(strings.TrimSpace(string(a.out)), ",", ".", 1)
	if d.Clock, err = time.Parse("2006-01-02T15:04:05.999999999-07:00", text); err != nil || a.exit != 0 {
		return cluster.CoreData{}, actions.Errorf(CodeFailed, "What date prints on %s cannot be read: %s", r.login, quote(string(a.out)))
	}
	return d, nil
}

// fileAt describes a file that may be missing.
func (r *Remote) fileAt(ctx context.Context, file string) (cluster.Folder, error) {
	f := cluster.Folder{Path: file}
	if _, err := r.stat(ctx, file); missing(err) {
		return f, nil
	} else if err != nil {
		return f, err
	}
	a, err := r.look(ctx, "ls", "-l", "-d", "-L", "-n", "-b", "--time-style=full-iso", file)
	if err != nil {
		return f, err
	}
	if a.exit != 0 {
		return f, r.failed(a, file+" cannot be looked at")
	}
	if size, at, ok := listedFile(string(a.out)); ok {
		f.Exists, f.Files, f.Bytes, f.Newest = true, 1, size, at
	}
	return f, nil
}

// dataFolder is the node's Mnesia folder, as Local's.
func (r *Remote) dataFolder(ctx context.Context, n cluster.Node) (cluster.Folder, error) {
	if err := r.folder(n); err != nil {
		return cluster.Folder{}, err
	}
	if err := checkName(n); err != nil {
		return cluster.Folder{}, err
	}
	return r.folderAt(ctx, path.Join(n.Dir, "Mnesia."+n.Name))
}

// folderAt describes a folder that may be missing.
func (r *Remote) folderAt(ctx context.Context, dir string) (cluster.Folder, error) {
	folder := cluster.Folder{Path: dir}
	info, err := r.stat(ctx, folder.Path)
	switch {
	case missing(err):
		return folder, nil
	case err != nil:
		return cluster.Folder{}, err
	case !info.dir():
		return cluster.Folder{}, actions.Errorf(CodeBadValue, "%s is not a folder.", folder.Path)
	}
	folder.Exists = true
	a, err := r.look(ctx, "ls", "-l", "-R", "-A", "-n", "-b", "--time-style=full-iso", folder.Path+"/")
	if err != nil {
		return cluster.Folder{}, err
	}
	if a.cut {
		return cluster.Folder{}, &actions.Error{Code: actions.CodeTooLarge,
			Text: fmt.Sprintf("%s on %s has more files than irisops lists over SSH (1 MiB of names).", folder.Path, r.login)}
	}
	if a.exit != 0 && !onlyVanished(a) {
		return cluster.Folder{}, r.failed(a, "The data folder "+folder.Path+" cannot be read")
	}
	for line := range strings.Lines(string(a.out)) {
		size, at, ok := listedFile(line)
		if !ok {
			continue
		}
		folder.Files++
		folder.Bytes += size
		if at.After(folder.Newest) {
			folder.Newest = at
		}
	}
	return folder, nil
}

// onlyVanished says whether ls complains of nothing but files that Mnesia renamed
// or deleted meanwhile. A folder that may not be read is no empty one.
func onlyVanished(a answer) bool {
	for line := range strings.Lines(string(a.errs)) {
		if !strings.Contains(line, "No such file or directory") {
			return false
		}
	}
	return a.exit == 1
}

// listedFile reads a line of ls -l -n -b --time-style=full-iso about a regular
// file: "-rw-r--r-- 1 0 0 5 2026-01-02 03:04:05.000000000 +0000 schema.DAT".
func listedFile(line string) (size int64, at time.Time, ok bool) {
	f := strings.Fields(line)
	if len(f) < 9 || f[0][0] != '-' {
		return 0, time.Time{}, false
	}
	size, err := strconv.ParseInt(f[4], 10, 64)
	if err != nil {
		return 0, time.Time{}, false
	}
	at, err = time.Parse("2006-01-02 15:04:05.999999999 -0700", strings.Join(f[5:8], " "))
	return size, at, err == nil
}
