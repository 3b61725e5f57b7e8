package lab

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"irisops/actions"
)

// stopWithin is how long a node may take to end by itself.
const stopWithin = 10 * time.Second

// Down stops the lab's nodes, then its epmd, each by its exact process, and
// returns when they are gone. A lab that is down already is fine. Data and logs
// stay in the folder.
func (l *Lab) Down(ctx context.Context) error {
	unlock, err := lock(l.state.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	return l.stopAll(ctx)
}

func (l *Lab) stopAll(ctx context.Context) error {
	// More than once: somebody may be starting a node at this moment.
	for range 3 {
		running, err := l.running()
		if err != nil {
			return err
		}
		if len(running) == 0 {
			break
		}
		ended := make(chan error, len(running))
		for alive, p := range running {
			go func() {
				if err := p.end(ctx, stopWithin); err != nil {
					ended <- fmt.Errorf("stopping %s: %w", alive, err)
					return
				}
				ended <- nil
			}()
		}
		var failed []error
		for range running {
			failed = append(failed, <-ended)
		}
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
	epmds, err := l.epmds()
	if err != nil {
		return err
	}
	for _, p := range epmds {
		if err := p.end(ctx, time.Second); err != nil {
			return fmt.Errorf("stopping epmd: %w", err)
		}
	}
	return nil
}

// Kill ends one node without warning, as a crash would (SIGKILL), and returns
// when its process is gone.
func (l *Lab) Kill(ctx context.Context, short string) error {
	return l.signal(ctx, short, syscall.SIGKILL, process.gone)
}

// Pause stops one node's process without ending it (SIGSTOP): it keeps its
// connections and answers nothing.
func (l *Lab) Pause(ctx context.Context, short string) error {
	return l.signal(ctx, short, syscall.SIGSTOP, process.paused)
}

// Resume lets a paused node go on (SIGCONT).
func (l *Lab) Resume(ctx context.Context, short string) error {
	return l.signal(ctx, short, syscall.SIGCONT, func(p process) bool { return !p.paused() })
}

// signal sends a signal to a node's process and waits for its effect.
func (l *Lab) signal(ctx context.Context, short string, sig syscall.Signal, effect func(process) bool) error {
	n, err := l.Node(short)
	if err != nil {
		return err
	}
	running, err := l.running()
	if err != nil {
		return err
	}
	p, found := running[n.Alive()]
	if !found {
		return actions.Errorf(CodeNotRunning, "%s is not running.", n.Short)
	}
	if err := p.signal(sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := poll(ctx, func() bool { return effect(p) }); err != nil {
		return actions.Errorf(CodeNotStopped, "%s (pid %d) shows no effect of the signal %v: %w", n.Short, p.pid, sig, err)
	}
	return nil
}
