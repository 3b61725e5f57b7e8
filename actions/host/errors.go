package host

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"irisops/actions"
)

// classify makes one sentence of what was tried and the operating system's
// reason, and gives it a code.
func classify(err error, tried string) error {
	var code, hint string
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code, hint = actions.CodeDiskFull, "Free some space, then try again."
	case errors.Is(err, syscall.EROFS):
		code, hint = CodeReadOnly, "Its file system is mounted read-only: find out why (often a disk fault) before writing to it again."
	case errors.Is(err, fs.ErrPermission):
		code, hint = CodeNotAllowed, "Run irisops as the user that runs IRIS."
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		code = actions.CodeHung
	default:
		code = CodeFailed
	}
	return &actions.Error{Code: code, Text: tried + ": " + err.Error() + ".", Hint: hint, Err: err}
}
