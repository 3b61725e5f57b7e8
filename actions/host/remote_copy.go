package host

import (
	"context"
	"errors"
	"time"

	"irisops/actions/cluster"
)

// copyTimeout bounds a copy on another host.
const copyTimeout = 30 * time.Minute

// Folder implements cluster.Folders, as Local does.
func (r *Remote) Folder(ctx context.Context, n cluster.Node, dir string) (cluster.Folder, error) {
	if err := errors.Join(r.folder(n), checkFolder(dir), checkRemoteWord(dir)); err != nil {
		return cluster.Folder{}, err
	}
	return r.folderAt(ctx, dir)
}

// Room implements cluster.Folders, as Local does.
func (r *Remote) Room(ctx context.Context, n cluster.Node, dir string) (cluster.Disk, error) {
	if err := errors.Join(r.folder(n), checkFolder(dir), checkRemoteWord(dir)); err != nil {
		return cluster.Disk{}, err
	}
	return r.disk(ctx, dir)
}

// CopyFolder implements cluster.Folders, as Local does. Following a link is wanted
// of the folder itself, so it is named with what is in it: FROM/. of cp(1). As
// with logs, mv -n never replaces a folder, and whether it renamed is looked at.
func (r *Remote) CopyFolder(ctx context.Context, n cluster.Node, from, to string) error {
	if err := errors.Join(r.folder(n), checkCopy(from, to), checkRemoteWord(from), checkRemoteWord(to)); err != nil {
		return err
	}
	switch _, err := r.stat(ctx, to); {
	case err == nil:
		return copyThere(to)
	case !missing(err):
		return err
	}
	part := to + unfinished
	for _, command := range [][]string{{"cp", "-a", "-T", from + "/.", part}, {"sync", "-f", part}} {
		a, err := r.work(ctx, copyTimeout, command...)
		if err != nil {
			return err
		}
		if a.exit != 0 {
			return r.failed(a, from+" cannot be copied")
		}
	}
	made, err := r.stat(ctx, part)
	if err != nil {
		return err
	}
	a, err := r.look(ctx, "mv", "-n", "-T", part, to)
	if err != nil {
		return err
	}
	switch now, err := r.stat(ctx, to); {
	case missing(err):
		return r.failed(a, "The copy of "+from+" cannot get its name")
	case err != nil:
		return err
	case now.dev != made.dev || now.inode != made.inode:
		return copyThere(to)
	}
	return nil
}

// work runs a command that may take its time, as look does one that may not.
func (r *Remote) work(ctx context.Context, max time.Duration, command ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	line := append(words{"env", "LC_ALL=C"}, limited(ctx, max)...)
	return r.run(ctx, append(line, command...), maxAnswer, false)
}
