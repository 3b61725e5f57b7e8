package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"irisops/actions"

	bolterrors "go.etcd.io/bbolt/errors"
)

// The file is damaged while it is open: bbolt then meets memory that is not
// there, or pages that make no sense. Every call says so, and the process lives.
func TestDamageWhileOpen(t *testing.T) {
	page := int64(os.Getpagesize())
	for name, harm := range map[string]func(f *os.File, size int64) error{
		"the end is gone": func(f *os.File, _ int64) error { return f.Truncate(2 * page) },
		"all is gone":     func(f *os.File, _ int64) error { return f.Truncate(0) },
		"zeros": func(f *os.File, size int64) error {
			_, err := f.WriteAt(make([]byte, size-2*page), 2*page)
			return err
		},
		"noise": func(f *os.File, size int64) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{0xff, 0x01, 0x7f, 0xee, 0x02}, int(size-2*page)/5), 2*page)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := worn(t)
			f, err := os.OpenFile(db.Path(), os.O_RDWR, 0)
			must(t, err)
			info, err := f.Stat()
			must(t, err)
			must(t, harm(f, info.Size()))
			_, err = db.OpenIncidents()
			wantCode(t, err, CodeCorrupt)
			_, err = db.Due(t0, 0)
			wantCode(t, err, CodeCorrupt)
			for range 3 {
				_, _, err = db.Declare(t.Context(), "", declaring("down", t0))
				if code := actions.CodeOf(err); code != CodeCorrupt && code != CodeFailed {
					t.Errorf("got %q: %v", code, err)
				}
			}
			if err := db.Close(); err != nil {
				wantCode(t, err, CodeCorrupt)
			}
			must(t, f.Close())
			if name == "all is gone" {
				return // bbolt keeps its lock until the process ends
			}
			_, err = Open(db.Path(), Options{})
			wantCode(t, err, CodeCorrupt)
		})
	}
}

func TestWhatAFailedWriteSays(t *testing.T) {
	for _, c := range []struct {
		err    error
		landed bool
		code   string
		says   string
	}{
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, false, actions.CodeDiskFull, "INC-7 was not recorded: the disk that holds /d/irisops.db is full"},
		{syscall.EDQUOT, false, actions.CodeDiskFull, "is full"},
		{fmt.Errorf("file sync error: %s", syscall.ENOSPC), false, actions.CodeDiskFull, "is full"}, // as bbolt wraps it
		{syscall.EIO, false, CodeFailed, "INC-7 was not recorded: writing to /d/irisops.db failed (input/output error)"},
		{syscall.EIO, true, CodeFailed, "It is not known whether INC-7 was recorded"},
		{syscall.ENOSPC, true, CodeFailed, "It is not known whether INC-7 was recorded"},
		{bolterrors.ErrDatabaseNotOpen, false, CodeClosed, "irisops is stopping"},
		{conflict("INC-7"), false, CodeConflict, "changed"},
	} {
		err := writeFailed("/d/irisops.db", "INC-7", c.err, c.landed)
		if err.Code != c.code || !strings.Contains(err.Text, c.says) || !errors.Is(err, errors.Unwrap(err)) {
			t.Errorf("%v, landed %v: %q %q", c.err, c.landed, err.Code, err.Text)
		}
	}
}

// After a failure that leaves it unsure what the file holds, nothing more is
// written until a restart, and every caller is told.
func TestNoWritingAfterAnUncertainFailure(t *testing.T) {
	db := memory(t)
	declare(t, db, "down", t0)
	db.broken = errors.New("input/output error")
	_, _, err := db.Declare(t.Context(), "", declaring("again", t0))
	wantCode(t, err, CodeFailed)
	for _, want := range []string{"The incident was not recorded", "no longer writes", "restart irisops"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if list := value(db.OpenIncidents())(t); len(list) != 1 {
		t.Errorf("open: %+v", list)
	}
}
