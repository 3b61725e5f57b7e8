package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

// CodeProgramFailed is a program of the config that ended with an error.
const CodeProgramFailed = "program-failed"

// runWords checks a program and its arguments, which come from the config.
func runWords(argv []string) error {
	if len(argv) == 0 || argv[0] == "" || argv[0][0] == '-' {
		return actions.Errorf(CodeBadValue, "There is no program to run.")
	}
	if slices.Contains([]string{"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "env", "xargs"}, filepath.Base(argv[0])) {
		return &actions.Error{Code: CodeBadValue, Text: fmt.Sprintf("%s is a shell, or runs other programs: irisops starts none.", argv[0]),
			Hint: "Name the program itself; a script whose first line names its interpreter will do."}
	}
	for _, w := range argv {
		if err := checkWord("A word of the program's command line", w); err != nil {
			return err
		}
	}
	return nil
}

// Run implements cluster.Host. The last 64 KiB of what the program prints are
// kept, on either output. If ctx ends, the program is ended with all that it
// started in its own process group.
func (l *Local) Run(ctx context.Context, n cluster.Node, argv []string) ([]string, error) {
	if err := runWords(argv); err != nil {
		return nil, err
	}
	if err := hereWithFolder(n); err != nil {
		return nil, err
	}
	printed := &tailBuffer{max: maxOutput}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) // as for make
	cmd.Dir, cmd.Env = n.Dir, environment(n)
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := endsAsGroup(cmd)
	lines := l.secrets.lines(printed.Bytes())
	var exit *exec.ExitError
	switch {
	case err == nil:
		return lines, nil
	case ctx.Err() != nil:
		return lines, &actions.Error{Code: actions.CodeHung, Err: ctx.Err(), Text: fmt.Sprintf("%s was ended, because its time was up.", argv[0])}
	case errors.As(err, &exit):
		return lines, &actions.Error{Code: CodeProgramFailed, Err: err, Text: fmt.Sprintf("%s ended with %s.", strings.Join(argv, " "), exit.ProcessState)}
	case errors.Is(err, exec.ErrNotFound):
		return lines, actions.Errorf(CodeNoProgram, "The program %s is not installed here.", argv[0])
	}
	return lines, classify(err, argv[0]+" could not be run")
}

// Run implements cluster.Host, as Local does.
func (r *Remote) Run(ctx context.Context, n cluster.Node, argv []string) ([]string, error) {
	if err := runWords(argv); err != nil {
		return nil, err
	}
	if err := r.folder(n); err != nil {
		return nil, err
	}
	within := makeTimeout
	env, err := r.environment(ctx, n)
	if err != nil {
		return nil, err
	}
	// env -C changes into the folder without a shell.
	command := slices.Concat(words{"env", "-C", n.Dir}, env[1:], limited(ctx, within), words(argv))
	if _, err := command.line(); err != nil {
		return nil, err
	}
	a, err := r.run(ctx, command, maxOutput, true)
	if err != nil {
		return nil, err
	}
	lines := r.secrets.lines(a.out)
	if a.exit != 0 {
		return lines, &actions.Error{Code: CodeProgramFailed, Text: fmt.Sprintf("%s ended on %s with %s.", strings.Join(argv, " "), r.login, exitStatus(a))}
	}
	return lines, nil
}

// Run implements cluster.Host.
func (h *Hosts) Run(ctx context.Context, n cluster.Node, argv []string) ([]string, error) {
	return h.of(n.Host).Run(ctx, n, argv)
}
