package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"irisops/actions"
	"irisops/actions/cluster"
)

var (
	_ cluster.Folders = (*Local)(nil)
	_ cluster.Folders = (*Remote)(nil)
	_ cluster.Folders = (*Hosts)(nil)
)

// Folder implements cluster.Folders.
func (h *Hosts) Folder(ctx context.Context, n cluster.Node, dir string) (cluster.Folder, error) {
	return h.of(n.Host).Folder(ctx, n, dir)
}

// Room implements cluster.Folders.
func (h *Hosts) Room(ctx context.Context, n cluster.Node, dir string) (cluster.Disk, error) {
	return h.of(n.Host).Room(ctx, n, dir)
}

// CopyFolder implements cluster.Folders.
func (h *Hosts) CopyFolder(ctx context.Context, n cluster.Node, from, to string) error {
	return h.of(n.Host).CopyFolder(ctx, n, from, to)
}

// unfinished is what a copy is called until it is whole.
const unfinished = ".unfinished"

// checkFolder guards the path of a folder, which a node of the cluster said.
func checkFolder(dir string) error {
	if err := checkWord("The folder", dir); err != nil {
		return err
	}
	if !path.IsAbs(dir) || path.Clean(dir) != dir || strings.Count(dir, "/") < 2 {
		return actions.Errorf(CodeBadValue, "%s is not the absolute path of a folder below another one.", quote(dir))
	}
	return nil
}

// checkCopy guards both paths: the copy stands beside its original or elsewhere,
// never inside of it.
func checkCopy(from, to string) error {
	if err := errors.Join(checkFolder(from), checkFolder(to)); err != nil {
		return err
	}
	if to == from || strings.HasPrefix(to+"/", from+"/") || strings.HasPrefix(from+"/", to+"/") {
		return actions.Errorf(CodeBadValue, "%s cannot be copied to %s: one lies in the other.", from, to)
	}
	return nil
}

func copyThere(to string) error {
	return &actions.Error{Code: CodeExists, Text: to + " is there already; it was left as it is.",
		Hint: "Look at what it holds, and rename it if it is not needed in that place."}
}

// Folder implements cluster.Folders.
func (l *Local) Folder(ctx context.Context, n cluster.Node, dir string) (cluster.Folder, error) {
	if err := errors.Join(here(n), checkFolder(dir)); err != nil {
		return cluster.Folder{}, err
	}
	return folderAt(ctx, dir)
}

// Room implements cluster.Folders.
func (l *Local) Room(_ context.Context, n cluster.Node, dir string) (cluster.Disk, error) {
	if err := errors.Join(here(n), checkFolder(dir)); err != nil {
		return cluster.Disk{}, err
	}
	return localDisk(dir)
}

// CopyFolder implements cluster.Folders. Whatever is in an unfinished copy of a
// folder that nobody writes to is the beginning of the same copy.
func (l *Local) CopyFolder(ctx context.Context, n cluster.Node, from, to string) error {
	if err := errors.Join(here(n), checkCopy(from, to)); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return copyThere(to)
	}
	root, err := filepath.EvalSymlinks(from)
	if err != nil {
		return classify(err, from+" cannot be copied")
	}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return copyOne(file, filepath.Join(to+unfinished, rel), d)
	})
	if err != nil {
		return classify(err, from+" cannot be copied")
	}
	if err := renameNew(to+unfinished, to); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return copyThere(to)
		}
		return classify(err, "The copy of "+from+" cannot get its name")
	}
	return syncFolder(filepath.Dir(to))
}

// copyOne copies one file, folder or link with its owner, mode and times.
func copyOne(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case info.IsDir():
		if err := os.Mkdir(to, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case info.Mode().IsRegular():
		if err := copyFile(from, to, info); err != nil {
			return err
		}
	default:
		return actions.Errorf(CodeBadValue, "%s is neither a file nor a folder", from)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Lchown(to, int(st.Uid), int(st.Gid))
	}
	return nil
}

func copyFile(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
