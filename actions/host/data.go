package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"irisops/actions"
	"irisops/actions/cluster"
)

// DataFolder implements cluster.Host: Mnesia.<node name> in the node's folder,
// which is where Mnesia puts it unless told otherwise.
func (l *Local) DataFolder(ctx context.Context, n cluster.Node) (cluster.Folder, error) {
	if err := here(n); err != nil {
		return cluster.Folder{}, err
	}
	if err := checkName(n); err != nil {
		return cluster.Folder{}, err
	}
	folder := cluster.Folder{Path: filepath.Join(n.Dir, "Mnesia."+n.Name)}
	// Following a link is wanted here: the data may stand on a disk of its own.
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
