package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// A folder is copied whole, here and over SSH alike, and nothing is replaced.
func TestCopyFolder(t *testing.T) {
	t.Parallel()
	remote := newSSHD(t).remote(t)
	for name, c := range map[string]struct {
		host cluster.Folders
		node func(string) cluster.Node
	}{"here": {NewLocal(nil), node}, "there": {remote, there}} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			n := c.node(dir)
			from, to := filepath.Join(dir, "Mnesia.iris_core2@h1"), filepath.Join(dir, "Mnesia.iris_core2@h1.split-20260301T031500Z")
			if f, err := c.host.Folder(ctx, n, from); err != nil || f.Exists {
				t.Fatalf("a folder that is not there: %+v, %v", f, err)
			}
			if err := c.host.CopyFolder(ctx, n, from, to); err == nil {
				t.Error("a folder that is not there was copied")
			}
			// The data may lie on another disk, behind a link.
			disk := t.TempDir()
			if err := os.Symlink(disk, from); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(disk, "schema.DAT"), "schema")
			write(t, filepath.Join(disk, "a strange\nname"), "odd")
			if err := os.MkdirAll(filepath.Join(disk, "sub folder"), 0o750); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(disk, "sub folder", "x.DCD"), strings.Repeat("x", 100_000))
			old := time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC)
			if err := os.Chtimes(filepath.Join(disk, "schema.DAT"), old, old); err != nil {
				t.Fatal(err)
			}
			// What an interrupted copy left is made whole.
			if err := os.MkdirAll(to+unfinished, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(to+unfinished, "schema.DAT"), "sch")
			if err := c.host.CopyFolder(ctx, n, from, to); err != nil {
				t.Fatal(err)
			}
			want, err1 := c.host.Folder(ctx, n, from)
			got, err2 := c.host.Folder(ctx, n, to)
			if err1 != nil || err2 != nil || got.Files != 3 || got.Files != want.Files || got.Bytes != want.Bytes {
				t.Errorf("%+v, %v is not a copy of %+v, %v", got, err2, want, err1)
			}
			for file, content := range map[string]string{"schema.DAT": "schema", "a strange\nname": "odd", "sub folder/x.DCD": strings.Repeat("x", 100_000)} {
				if text, err := os.ReadFile(filepath.Join(to, file)); err != nil || string(text) != content {
					t.Errorf("%q: %d bytes, %v", file, len(text), err)
				}
			}
			if info, err := os.Stat(filepath.Join(to, "schema.DAT")); err != nil || !info.ModTime().Equal(old) {
				t.Errorf("the time of a copied file: %v, %v", info.ModTime(), err)
			}
			if info, err := os.Lstat(to); err != nil || !info.IsDir() {
				t.Errorf("the copy is not a folder: %v", err)
			}
			if _, err := os.Lstat(to + unfinished); !os.IsNotExist(err) {
				t.Errorf("something is left beside the copy: %v", err)
			}

			write(t, filepath.Join(disk, "schema.DAT"), "changed")
			if err := c.host.CopyFolder(ctx, n, from, to); actions.CodeOf(err) != CodeExists {
				t.Errorf("a second copy: %v", err)
			}
			if text, err := os.ReadFile(filepath.Join(to, "schema.DAT")); err != nil || string(text) != "schema" {
				t.Errorf("the first copy was replaced: %q, %v", text, err)
			}
			if d, err := c.host.Room(ctx, n, from); err != nil || d.Free == 0 {
				t.Errorf("room: %+v, %v", d, err)
			}
			for _, bad := range []string{"", "relative", "/", "/top", dir + "/../x", dir + "/a b", dir + "/$(x)", dir + "/a;b", dir + "/a\nb", dir + "/", strings.Repeat("/x", 3000)} {
				_, folder := c.host.Folder(ctx, n, bad)
				_, room := c.host.Room(ctx, n, bad)
				for what, err := range map[string]error{"folder": folder, "room": room, "from": c.host.CopyFolder(ctx, n, bad, to+"2"), "to": c.host.CopyFolder(ctx, n, from, bad)} {
					if actions.CodeOf(err) != CodeBadValue {
						t.Errorf("%s %.40q: %v", what, bad, err)
					}
				}
			}
			for _, inside := range []string{from, from + "/copy", dir} {
				if err := c.host.CopyFolder(ctx, n, from, inside); actions.CodeOf(err) != CodeBadValue {
					t.Errorf("a copy to %s: %v", inside, err)
				}
			}
		})
	}
}
