package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/change"

	bolterrors "go.etcd.io/bbolt/errors"
)

// Codes of the failures of the store, beside actions.CodeDiskFull.
const (
	CodeLocked     = "store-locked"   // another process has the database open
	CodeCorrupt    = "store-corrupt"  // the file is damaged, or no database of irisops
	CodeNewer      = "store-newer"    // written by a newer irisops
	CodeUnusable   = "store-unusable" // the file or its folder cannot be opened or made
	CodeFailed     = "store-failed"   // the disk reported an error; see the text
	CodeClosed     = "store-closed"   // used after Close
	CodeInvalid    = "store-invalid"  // the caller's change makes no sense: a fault in irisops
	CodeCancelled  = "cancelled"      // the caller gave up before its turn; nothing was recorded
	CodeConflict   = "conflict"       // change.ErrConflict
	CodeBusy       = "busy"           // change.ErrBusy
	CodeCarriedOut = "carried-out"    // change.ErrCarriedOut
	CodeNotFound   = "not-found"      // change.ErrNotFound
)

func conflict(id string) error {
	return &actions.Error{
		Code: CodeConflict, Err: change.ErrConflict,
		Text: id + " was changed by someone else at the same moment. Nothing was recorded.",
		Hint: "Look at it again and repeat the command if it still makes sense.",
	}
}

func busy(target string, holder uint64) error {
	return &actions.Error{
		Code: CodeBusy, Err: &change.ErrBusy{Target: target, Run: holder},
		Text: fmt.Sprintf("%s is already working on %s; one action a target at a time.", runbook.ID(holder), target),
		Hint: "Wait for it to end, or look at it with: status",
	}
}

func notFound(id string) error {
	return &actions.Error{Code: CodeNotFound, Err: change.ErrNotFound, Text: "There is no " + id + "."}
}

func carriedOut() error {
	return &actions.Error{
		Code: CodeCarriedOut, Err: change.ErrCarriedOut,
		Text: "This was carried out already; it was not done a second time.",
		Hint: "Look with: status",
	}
}

func invalid(format string, args ...any) error {
	return actions.Errorf(CodeInvalid, "This could not be recorded, because of a fault in irisops: "+format+".", args...)
}

func corrupt(path string, cause error) *actions.Error {
	return &actions.Error{
		Code: CodeCorrupt, Err: cause,
		Text: fmt.Sprintf("The database %s is damaged: %v. It was left as it is.", path, cause),
		Hint: restoreHint(path),
	}
}

func restoreHint(path string) string {
	return fmt.Sprintf("To restore: stop irisops, move the file aside (mv %s %s.damaged), copy the newest backup to %s, start again. "+
		"Without a backup irisops starts with an empty database once the file is moved: open incidents and their timers are then gone and have to be declared again.",
		path, path, path)
}

// writeFailed classifies an error of the transaction that should have recorded
// what. landed says that the transaction is visible although it failed: its
// header was written, and only the last flush was not confirmed.
func writeFailed(path, what string, err error, landed bool) *actions.Error {
	var known *actions.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return &actions.Error{Code: CodeClosed, Err: err, Text: what + " was not recorded: irisops is stopping."}
	case landed:
		return &actions.Error{
			Code: CodeFailed, Err: err,
			Text: fmt.Sprintf("It is not known whether %s was recorded: the disk failed at the very last moment (%v).", lowerFirst(what), err),
			Hint: "Check the disk of " + path + " and restart irisops; it checks its database when it starts.",
		}
	case diskFull(err):
		return &actions.Error{
			Code: actions.CodeDiskFull, Err: err,
			Text: fmt.Sprintf("%s was not recorded: the disk that holds %s is full.", what, path),
			Hint: "Free some space there and repeat the command; irisops keeps running.",
		}
	}
	return &actions.Error{
		Code: CodeFailed, Err: err,
		Text: fmt.Sprintf("%s was not recorded: writing to %s failed (%v).", what, path, err),
		Hint: "Check that disk (dmesg, df), then repeat the command.",
	}
}

// stoppedWriting: an earlier failure left it unsure what bbolt holds in memory.
func stoppedWriting(path, what string, earlier error) *actions.Error {
	return &actions.Error{
		Code: CodeFailed, Err: earlier,
		Text: fmt.Sprintf("%s was not recorded: irisops no longer writes to %s after an earlier failure (%v).", what, path, earlier),
		Hint: "Check that disk and restart irisops; it checks its database when it starts.",
	}
}

func cancelled(what string, cause error) *actions.Error {
	return &actions.Error{Code: CodeCancelled, Err: cause, Text: fmt.Sprintf("%s was not recorded: given up before its turn came (%v).", what, cause)}
}

// diskFull also looks at the text, because bbolt wraps some errors without %w.
func diskFull(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, no) || strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}

func lowerFirst(s string) string {
	if strings.HasPrefix(s, "INC-") || strings.HasPrefix(s, "REQ-") || s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
