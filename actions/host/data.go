package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// CoreData implements cluster.Host. The write-ahead log is data/wal in the node's
// folder, which is where IRIS puts it unless told otherwise; cores that share a
// folder share it.
func (l *Local) CoreData(ctx context.Context, n cluster.Node) (cluster.CoreData, error) {
	var d cluster.CoreData
	var err error
	if d.Mnesia, err = l.dataFolder(ctx, n); err != nil {
		return cluster.CoreData{}, err
	}
	if d.WAL, err = folderAt(ctx, filepath.Join(n.Dir, walFolder)); err != nil {
		return cluster.CoreData{}, err
	}
	if !filepath.IsLocal(n.Log) {
		return cluster.CoreData{}, actions.Errorf(CodeBadValue, "%s is not the name of a log inside %s.", quote(n.Log), n.Dir)
	}
	d.Log.Path = filepath.Join(n.Dir, n.Log)
	info, err := os.Stat(d.Log.Path)
	switch {
	case err == nil:
		d.Log.Exists, d.Log.Files, d.Log.Bytes, d.Log.Newest = true, 1, info.Size(), info.ModTime()
	case !errors.Is(err, fs.ErrNotExist):
		return cluster.CoreData{}, classify(err, "The log cannot be looked at")
	}
	d.Clock = time.Now()
	return d, nil
}

// walFolder is IRIS's write-ahead log, relative to the node's folder.
const walFolder = "data/wal"

// dataFolder is Mnesia.<node name> in the node's folder, which is where Mnesia
// puts it unless told otherwise.
func (l *Local) dataFolder(ctx context.Context, n cluster.Node) (cluster.Folder, error) {
	if err := here(n); err != nil {
		return cluster.Folder{}, err
	}
	if err := checkName(n); err != nil {
		return cluster.Folder{}, err
	}
	return folderAt(ctx, filepath.Join(n.Dir, "Mnesia."+n.Name))
}

// folderAt describes a folder. Following a link is wanted: the data may stand on
// a disk of its own.
func folderAt(ctx context.Context, path string) (cluster.Folder, error) {
	folder := cluster.Folder{Path: path}
	root, err := filepath.EvalSymlinks(folder.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return folder, nil
	}
	if err != nil {
		return cluster.Folder{}, classify(err, "The data folder cannot be read")
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return cluster.Folder{}, actions.Errorf(CodeBadValue, "%s is not a folder.", folder.Path)
	}
	folder.Exists = true
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Mnesia renames and deletes its files while it runs
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		folder.Files++
		folder.Bytes += info.Size()
		if info.ModTime().After(folder.Newest) {
			folder.Newest = info.ModTime()
		}
		return nil
	})
	if err != nil {
		return cluster.Folder{}, classify(err, "The data folder cannot be read")
	}
	return folder, nil
}
